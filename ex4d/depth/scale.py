"""From an estimator's disparity to z-depth."""

from __future__ import annotations

from typing import Literal

import numpy as np

__all__ = ["depth_from_disparity"]

# The public EX-4D code's depth of a disparity d that is 0 to 1 over the clip: 10000 / (3900 d).
# Its nearest depth is 2.564; what the released adapter was trained on has this scale.
_NUMERATOR, _FACTOR, _LEAST, _MOST_DEPTH = 10_000.0, 3_900.0, 1e-5, 1e4


def depth_from_disparity(disparity: np.ndarray, scale: Literal["metric", "affine"]) -> np.ndarray:
    """Turn the disparity [N, H, W] of a whole clip into z-depth float32 [N, H, W].

    Metric disparity gives metres, infinite where it is 0. Affine disparity has no scale of its own
    and gets the public code's: over the whole clip, so that nothing breathes.
    """
    if scale == "metric":
        with np.errstate(divide="ignore"):
            return np.asarray(1 / disparity, np.float32)
    least, most = float(disparity.min()), float(disparity.max())
    share = (disparity - least) / max(most - least, 1e-12)
    depth = _NUMERATOR / np.maximum(_FACTOR * share, _LEAST)
    return np.clip(depth, 1 / _MOST_DEPTH, _MOST_DEPTH).astype(np.float32)
