"""What every engine takes and gives: conditions in, finished frames out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

from ex4d import __version__

if TYPE_CHECKING:
    import numpy as np

    from ex4d.conditions.render import Conditions, Progress

__all__ = ["Engine", "result_metadata"]


class Engine(Protocol):
    """Turns the conditions into the finished clip."""

    name: str
    label: str  # what the file's metadata and the console say of a result

    def generate(
        self, conditions: Conditions, *, seed: int, progress: Progress | None = None
    ) -> np.ndarray:
        """Make the finished frames uint8 [T, H, W, 3]. The same inputs and seed give the same."""
        ...


def result_metadata(engine: Engine, seed: int) -> dict[str, str]:
    """What a finished clip's file says of how it was made; `title` tells a draft from a final."""
    settings = {"ex4d": __version__, "engine": engine.name, "seed": seed}
    return {"title": engine.label, "comment": json.dumps(settings)}
