"""The depth of a clip, from its pictures alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ex4d.depth.cleaning import FOR_ESTIMATES, DepthCleaning, clean_edges, limit_sky
from ex4d.depth.files import ClipDepth, Lens
from ex4d.depth.fill import fill_unknown
from ex4d.depth.scale import depth_from_disparity
from ex4d.depth.steady import steady_disparity

if TYPE_CHECKING:
    from collections.abc import Callable

    from ex4d.depth.estimators.base import Estimator, Prediction

__all__ = ["estimate_depth"]


def estimate_depth(
    estimator: Estimator,
    frames: np.ndarray,
    lens: Lens,
    *,
    cleaning: DepthCleaning = FOR_ESTIMATES,
    report: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> ClipDepth:
    """Estimate the depth of frames uint8 [N, H, W, 3]: in metres where the estimator is metric.

    What an estimator says of each frame alone is made steady over time. `report` gets a stage,
    "estimate" or "steady", and how many frames of it are done; what it raises stops the work.
    """
    prediction = estimator.predict(frames, partial(report, "estimate"))
    intrinsics, lens_from = lens.choose(len(frames), prediction.intrinsics)
    disparity = prediction.disparity
    if not prediction.steady and len(frames) > 1:
        disparity = steady_disparity(prediction, frames, intrinsics, partial(report, "steady"))
    depth = depth_from_disparity(disparity, prediction.scale)
    unknown_share = _forget_guesses(depth, prediction)
    limit_sky(depth, cleaning)
    for frame in depth:
        if not frame.all():
            frame[:] = fill_unknown(frame, cleaning.holes) if frame.any() else depth.max() or 1.0
    clean_edges(depth, frames, cleaning)
    return ClipDepth(depth, intrinsics, lens_from, unknown_share, prediction.world_to_camera)


def _forget_guesses(depth: np.ndarray, prediction: Prediction) -> float:
    """Make unknown, in place, what the estimator has no confidence in; return its share."""
    if prediction.confidence is None:
        return 0.0
    guesses = (prediction.confidence == 0) & np.isfinite(depth)
    depth[guesses] = 0
    return float(guesses.mean())
