"""The named camera paths for a clip, as we make them and as the public code does.

The public code takes |cos t| in its orbits, which folds the path back beyond 90 degrees, and
stretches t when there are not 49 frames, which folds it back again; `UPSTREAM` repeats both.
"""

from __future__ import annotations

import cv2
import numpy as np

from ex4d.convention import EXACT, Convention
from ex4d.errors import UsageError
from ex4d.geometry.named_paths import (
    PATHS,
    NoSuchPath,
    angle_deg_of,
    is_dolly,
    look_at,
    named_path,
    orbit,
    radius_behind,
)

__all__ = ["PRESETS", "look_at", "orbit_radius", "preset_path"]

PRESETS = PATHS
_TRAINED_FRAMES = 49


def orbit_radius(depth: np.ndarray, convention: Convention = EXACT) -> float:
    """Distance of the orbit's centre for a first frame of depth [H, W], all of it known: just
    behind the nearest surface. The public code takes the plain minimum + 0.15."""
    depth = np.ascontiguousarray(depth, np.float32)
    if convention.is_upstream:
        inner = depth[1:-1, 1:-1].min()
        return float(min(inner, np.float32(convention.border_depth(0.0)))) + 0.15
    return radius_behind(cv2.medianBlur(depth, 5))


def preset_path(
    name: str, n_frames: int, radius: float, convention: Convention = EXACT
) -> np.ndarray:
    """Make the poses world_to_camera float64 [T, 4, 4] of a named path, from the identity on.

    `radius` is `orbit_radius` of the first frame. Raises UsageError for an unknown name, no frames
    or a radius that is none.
    """
    try:
        if is_dolly(name) or not convention.is_upstream:
            return named_path(name, n_frames, radius)
        angle_deg = angle_deg_of(name)
    except NoSuchPath as error:
        raise UsageError(str(error)) from None
    is_sweep = angle_deg == 180
    stretch = max(_TRAINED_FRAMES / n_frames, n_frames / _TRAINED_FRAMES)
    turn = np.radians(360.0 if is_sweep else angle_deg) * stretch
    angles = turn * np.linspace(0.0, 1.0, n_frames)
    rise = np.cos(angles)
    return orbit(angles, rise if is_sweep else np.abs(rise), radius, is_sweep=is_sweep)
