"""Where the weights of all models are looked for."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["default_folder"]


def default_folder() -> Path:
    """Where weights are looked for when nothing else is said: $EX4D_MODELS, or in the home."""
    named = os.environ.get("EX4D_MODELS")
    return Path(named) if named else Path.home() / ".cache" / "ex4d" / "models"
