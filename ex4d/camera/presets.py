"""The camera paths that have names: orbits, the 180 sweep, dollies.

Formulas of the public code (recon.py), with r the orbit radius and t running over the path; the
camera always looks at (0, 0, r):

    N     eye = (r sin t, 0.2 r (cos t - 1), r - r cos t)   t from 0 to N degrees
    180   eye = (r sin t, 0.2 r (cos t - 1), 0)             t from 0 to 360 degrees

The public code takes |cos t| in N, which folds the path back beyond 90 degrees, and stretches t
when there are not 49 frames, which folds it back again; `UPSTREAM` repeats both.
"""

from __future__ import annotations

import re

import cv2
import numpy as np

from ex4d.convention import EXACT, Convention
from ex4d.errors import UsageError

__all__ = ["PRESETS", "look_at", "orbit_radius", "preset_path"]

PRESETS = "an angle in degrees such as 30 or -60, 180 (the sweep), zoom_in, zoom_out"

_RADIUS_FACTOR = 1.06  # the public code adds 0.15 to depths whose nearest is 2.564
_NEAR_PERCENTILE = 1.0
_DOLLY_SHARE = 0.5  # of the way to the nearest surface
_LARGEST_ANGLE_DEG = 360


def orbit_radius(depth: np.ndarray, convention: Convention = EXACT) -> float:
    """Distance of the orbit's centre for a first frame of depth [H, W], all of it known.

    Just behind the nearest surface. Stray pixels are not a surface: depths are median filtered
    and the nearest percentile is left out. The public code takes the plain minimum + 0.15.
    """
    depth = np.ascontiguousarray(depth, np.float32)
    if convention.is_upstream:
        inner = depth[1:-1, 1:-1].min()
        return float(min(inner, np.float32(convention.border_depth(0.0)))) + 0.15
    steady = cv2.medianBlur(depth, 5)
    return float(np.percentile(steady, _NEAR_PERCENTILE)) * _RADIUS_FACTOR


def preset_path(
    name: str, n_frames: int, radius: float, convention: Convention = EXACT
) -> np.ndarray:
    """Make the poses world_to_camera float64 [T, 4, 4] of a named path, from the identity on.

    `radius` is `orbit_radius` of the first frame. Raises UsageError for an unknown name.
    """
    share = np.linspace(0.0, 1.0, n_frames) if n_frames > 1 else np.zeros(1)
    if name in {"zoom_in", "zoom_out"}:
        path = np.broadcast_to(np.eye(4), (n_frames, 4, 4)).copy()
        forward = _DOLLY_SHARE * radius * (1 if name == "zoom_in" else -1)
        path[:, 2, 3] = -forward * share
        return path
    if not re.fullmatch(r"[+-]?\d+(\.\d+)?", name) or abs(float(name)) > _LARGEST_ANGLE_DEG:
        raise UsageError(f"unknown camera path {name!r}: give {PRESETS}")
    angle_deg = float(name)
    is_sweep = angle_deg == 180 or (angle_deg == -180 and not convention.is_upstream)
    turn = np.radians(360.0 if is_sweep else angle_deg)
    if is_sweep and angle_deg < 0:
        turn = -turn
    if convention.is_upstream:
        turn *= max(49 / n_frames, n_frames / 49)
    t = turn * share
    rise = np.cos(t)
    if convention.is_upstream and not is_sweep:
        rise = np.abs(rise)
    back = np.zeros(n_frames) if is_sweep else radius - radius * rise
    eyes = np.stack([np.sin(t) * radius, (rise - 1) * radius * 0.2, back], axis=-1)
    return np.stack([look_at(eye, np.array([0, 0, radius])) for eye in eyes])


def look_at(eye: np.ndarray, center: np.ndarray) -> np.ndarray:
    """world_to_camera [4, 4] of an upright camera at `eye` that looks at `center`."""
    forward = (center - eye) / np.linalg.norm(center - eye)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = -rotation @ eye
    return pose
