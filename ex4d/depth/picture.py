"""One picture of a sequence of depth, as it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["DepthPicture"]


@dataclass(frozen=True, eq=False)
class DepthPicture:
    """The numbers of a picture, and where in its file they come from."""

    values: np.ndarray  # [H, W]: of floats, or whole numbers
    said: str = ""  # which channel it is, where they have names
    of_several: bool = False  # whether its file has other channels
    pixel_aspect: float = 1.0  # width over height of a pixel
