"""Points followed through a clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Tracker", "Tracks"]


@dataclass(frozen=True)
class Tracks:
    """Where points are in every frame."""

    positions: np.ndarray  # float32 [T, P, 2], x right, y down, pixel centres at +0.5
    seen: np.ndarray  # bool [T, P]; a position counts only where this is true


class Tracker(Protocol):
    """Follows points of one frame through a clip, to its beginning and to its end."""

    def track(self, frames: np.ndarray, points: np.ndarray, start: int) -> Tracks:
        """Follow points [P, 2] of frame `start` of frames uint8 [T, H, W, 3]."""
        ...
