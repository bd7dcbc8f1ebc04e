"""What every engine takes and gives: conditions in, finished frames out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

    from ex4d.conditions.render import Conditions, Progress

__all__ = ["Engine"]


class Engine(Protocol):
    """Turns the conditions into the finished clip."""

    name: str
    label: str  # what the file's metadata and the console say of a result

    def generate(
        self, conditions: Conditions, *, seed: int, progress: Progress | None = None
    ) -> np.ndarray:
        """Make the finished frames uint8 [T, H, W, 3]. The same inputs and seed give the same."""
        ...
