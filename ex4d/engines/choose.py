"""The engines by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ex4d.engines.preview import PreviewEngine
from ex4d.errors import MissingPartError, UsageError

if TYPE_CHECKING:
    from ex4d.engines.base import Engine

__all__ = ["ENGINES", "choose_engine"]

ENGINES = ("auto", "preview", "wan")


def choose_engine(name: str = "auto") -> tuple[Engine, str]:
    """Return the engine for a name and why it was taken, as a sentence for the console.

    Raises UsageError for an unknown name, MissingPartError when the engine cannot run here.
    """
    if name == "preview":
        return PreviewEngine(), "as asked"
    if name == "auto":
        return PreviewEngine(), "this version has no diffusion engine yet"
    if name == "wan":
        raise MissingPartError("the engine wan is not part of this version: use --engine preview")
    raise UsageError(f"unknown engine {name!r}: choose from {', '.join(ENGINES)}")
