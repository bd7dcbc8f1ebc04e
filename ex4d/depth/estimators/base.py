"""What every depth estimator takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Estimator", "Prediction", "Report"]

Report = Callable[[int, int], None]  # frames done, frames in all; may raise to stop


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of a clip, pixel by pixel of its frames.

    Disparity is 1 / z-depth. In the scale "metric" its unit is 1 / metre; "affine": it is known up
    to a factor and a summand, which are each frame's own unless the model is `steady`.
    """

    disparity: np.ndarray  # float32 [N, H, W], finite; metric: >= 0, and 0 is infinitely far
    scale: Literal["metric", "affine"]
    steady: bool  # the model saw the frames together; otherwise each alone
    intrinsics: np.ndarray | None = None  # float64 [N, 3, 3], pixels of the frames
    world_to_camera: np.ndarray | None = None  # float64 [N, 4, 4], of the source camera
    confidence: np.ndarray | None = None  # float32 [N, H, W], 0 to 1; 0: what it says is a guess


class Estimator(Protocol):
    """A model that is loaded and ready."""

    def predict(self, frames: np.ndarray, report: Report) -> Prediction:
        """Look at frames uint8 [N, H, W, 3]. The same frames give the same on one device.

        Raises TooLargeError when the memory does not suffice.
        """
        ...
