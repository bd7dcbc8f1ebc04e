"""The camera paths that have names, as numbers; `keyframes.py` puts them on a camera.

With r the orbit radius and t the angle, in OpenCV's axes; the camera looks at (0, 0, r):

    N     eye = (r sin t, 0.2 r (cos t - 1), r - r cos t)   t from 0 to N degrees
    180   eye = (r sin t, 0.2 r (cos t - 1), 0)             t from 0 to 360 degrees

The backend's command line knows the same paths by the same names, and a test compares both.
"""

from __future__ import annotations

import math
import re

import numpy as np

from .errors import CameraError

__all__ = ["EASINGS", "orbit_radius", "preset_path"]

EASINGS = ("linear", "smooth", "ease_in", "ease_out")

_RADIUS_FACTOR = 1.06
_NEAR_PERCENTILE = 1.0
_DOLLY_SHARE = 0.5  # of the way to the nearest surface, at amount 1
_LARGEST_ANGLE_DEG = 360.0
_LARGEST_AMOUNT = 10.0


def orbit_radius(depth: np.ndarray) -> float:
    """Distance of the orbit's centre, just behind the nearest surface of a depth [H, W].

    Stray pixels are not a surface: a 5x5 median and the nearest percentile are left out.
    """
    padded = np.pad(np.asarray(depth, np.float32), 2, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5))
    medians = np.partition(windows.reshape(*depth.shape, 25), 12, axis=-1)[..., 12]
    return float(np.percentile(medians, _NEAR_PERCENTILE)) * _RADIUS_FACTOR


def preset_path(
    name: str, n_frames: int, radius: float, *, amount: float = 1.0, easing: str = "linear"
) -> np.ndarray:
    """Make the poses world_to_camera float64 [T, 4, 4] of a named path, from the identity on.

    `name` is an angle in degrees such as "30" or "-60", "180" (the sweep), "zoom_in" or "zoom_out".
    `amount` multiplies the angle or the way. Raises CameraError for an unknown name, easing or
    an amount outside -10 ... 10.
    """
    if not math.isfinite(amount) or abs(amount) > _LARGEST_AMOUNT:
        raise CameraError(f"The amount is {amount:g}; give a number from -10 to 10.")
    if not radius > 0 or n_frames < 1:
        raise CameraError(f"A path needs frames and a radius, not {n_frames} and {radius:g}.")
    share = amount * _eased(np.linspace(0.0, 1.0, n_frames) if n_frames > 1 else [0.0], easing)
    if name in {"zoom_in", "zoom_out"}:
        path = np.broadcast_to(np.eye(4), (n_frames, 4, 4)).copy()
        forward = _DOLLY_SHARE * radius * (1 if name == "zoom_in" else -1)
        path[:, 2, 3] = -forward * share
        return path
    if not re.fullmatch(r"[+-]?\d+(\.\d+)?", name) or abs(float(name)) > _LARGEST_ANGLE_DEG:
        raise CameraError(
            f"There is no camera path {name!r}: give degrees such as 30 or -60, 180, zoom_in "
            "or zoom_out."
        )
    angle_deg = float(name)
    is_sweep = abs(angle_deg) == 180
    turn = math.copysign(360.0, angle_deg) if is_sweep else angle_deg
    angles = np.radians(turn) * share
    rise = np.cos(angles)
    back = np.zeros(n_frames) if is_sweep else radius - radius * rise
    eyes = np.stack([np.sin(angles) * radius, (rise - 1) * radius * 0.2, back], axis=-1)
    return np.stack([_look_at(eye, np.array([0.0, 0.0, radius])) for eye in eyes])


def _eased(share: np.ndarray | list[float], easing: str) -> np.ndarray:
    share = np.asarray(share, np.float64)
    if easing == "linear":
        return share
    if easing == "smooth":
        return share * share * (3 - 2 * share)
    if easing == "ease_in":
        return share * share
    if easing == "ease_out":
        return 1 - (1 - share) ** 2
    raise CameraError(f"There is no easing {easing!r}: choose from {', '.join(EASINGS)}.")


def _look_at(eye: np.ndarray, center: np.ndarray) -> np.ndarray:
    """world_to_camera [4, 4] of an upright camera at `eye` that looks at `center`."""
    forward = (center - eye) / np.linalg.norm(center - eye)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = -rotation @ eye
    return pose
