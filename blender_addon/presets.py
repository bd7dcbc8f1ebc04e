"""The named camera paths, as numbers; `keyframes.py` puts them on a camera."""

from __future__ import annotations

import numpy as np

from ..ex4d.geometry.named_paths import EASINGS, NoSuchPath, named_path, radius_behind
from .errors import CameraError

__all__ = ["EASINGS", "orbit_radius", "preset_path"]


def orbit_radius(depth: np.ndarray) -> float:
    """Distance of the orbit's centre, just behind the nearest surface of a depth [H, W]."""
    padded = np.pad(np.asarray(depth, np.float32), 2, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5))
    return radius_behind(np.partition(windows.reshape(*depth.shape, 25), 12, axis=-1)[..., 12])


def preset_path(
    name: str, n_frames: int, radius: float, *, amount: float = 1.0, easing: str = "linear"
) -> np.ndarray:
    """Make the poses world_to_camera float64 [T, 4, 4] of a named path, from the identity on.

    Raises CameraError for a name, easing or amount that no path has.
    """
    try:
        return named_path(name, n_frames, radius, amount=amount, easing=easing)
    except NoSuchPath as error:
        raise CameraError(str(error)) from None
