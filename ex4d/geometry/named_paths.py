"""The camera paths that have names: orbits, the 180 sweep, dollies.

With r the orbit radius and t the angle, in OpenCV's axes; the camera always looks at (0, 0, r).
Formulas of the public code (recon.py):

    N     eye = (r sin t, 0.2 r (cos t - 1), r - r cos t)   t from 0 to N degrees
    180   eye = (r sin t, 0.2 r (cos t - 1), 0)             t from 0 to 360 degrees
"""

from __future__ import annotations

import math
import re

import numpy as np

__all__ = [
    "EASINGS",
    "PATHS",
    "NoSuchPath",
    "angle_deg_of",
    "dolly",
    "is_dolly",
    "look_at",
    "named_path",
    "orbit",
    "radius_behind",
]

PATHS = "an angle in degrees such as 30 or -60, 180 (the sweep), zoom_in, zoom_out"
EASINGS = ("linear", "smooth", "ease_in", "ease_out")

_RADIUS_FACTOR = 1.06  # the public code adds 0.15 to depths whose nearest is 2.564
_NEAR_PERCENTILE = 1.0
_DOLLY_SHARE = 0.5  # of the way to the nearest surface, at amount 1
_DOLLIES = {"zoom_in": 1, "zoom_out": -1}
_LARGEST_ANGLE_DEG = 360.0
_LARGEST_AMOUNT = 10.0
_SWEEP_DEG = 180


class NoSuchPath(ValueError):
    """A name, easing or amount that no path has; the text is a sentence."""


def named_path(
    name: str, n_frames: int, radius: float, *, amount: float = 1.0, easing: str = "linear"
) -> np.ndarray:
    """Make the poses world_to_camera float64 [T, 4, 4] of a named path, from the identity on.

    `radius` is `radius_behind` of the first frame; `amount` multiplies the angle or the way. Raises
    NoSuchPath for an unknown name or easing, an amount outside -10 ... 10, no frames, no radius.
    """
    if not math.isfinite(amount) or abs(amount) > _LARGEST_AMOUNT:
        raise NoSuchPath(f"The amount is {amount:g}; give a number from -10 to 10.")
    if not radius > 0 or n_frames < 1:
        raise NoSuchPath(f"A path needs frames and a radius, not {n_frames} and {radius:g}.")
    share = amount * _eased(np.linspace(0.0, 1.0, n_frames), easing)
    if is_dolly(name):
        return dolly(name, share, radius)
    angle_deg = angle_deg_of(name)
    is_sweep = abs(angle_deg) == _SWEEP_DEG
    turn_deg = math.copysign(360.0, angle_deg) if is_sweep else angle_deg
    angles = np.radians(turn_deg) * share
    return orbit(angles, np.cos(angles), radius, is_sweep=is_sweep)


def is_dolly(name: str) -> bool:
    """Whether a name is one of a way along the line of sight."""
    return name in _DOLLIES


def angle_deg_of(name: str) -> float:
    """The angle that a name says. Raises NoSuchPath."""
    if not re.fullmatch(r"[+-]?\d+(\.\d+)?", name) or abs(float(name)) > _LARGEST_ANGLE_DEG:
        raise NoSuchPath(f"There is no camera path {name!r}: give {PATHS}.")
    return float(name)


def dolly(name: str, share: np.ndarray, radius: float) -> np.ndarray:
    """Poses world_to_camera [T, 4, 4] that go ahead or back by shares [T] of the usual way."""
    path = np.broadcast_to(np.eye(4), (len(share), 4, 4)).copy()
    path[:, 2, 3] = -_DOLLIES[name] * _DOLLY_SHARE * radius * share
    return path


def orbit(angles: np.ndarray, rise: np.ndarray, radius: float, *, is_sweep: bool) -> np.ndarray:
    """Poses world_to_camera [T, 4, 4] of the formulas above, for t [T] in radians and what stands
    for cos t in them [T]."""
    back = np.zeros(len(angles)) if is_sweep else radius - radius * rise
    eyes = np.stack([np.sin(angles) * radius, (rise - 1) * radius * 0.2, back], axis=-1)
    return np.stack([look_at(eye, np.array([0.0, 0.0, radius])) for eye in eyes])


def radius_behind(steady_depth: np.ndarray) -> float:
    """Distance of the orbit's centre, just behind the nearest surface of a depth [H, W] that was
    median filtered, 5x5: stray pixels are no surface, so the nearest percentile is left out."""
    return float(np.percentile(steady_depth, _NEAR_PERCENTILE)) * _RADIUS_FACTOR


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


def _eased(share: np.ndarray, easing: str) -> np.ndarray:
    eased: dict[str, np.ndarray] = {
        "linear": share,
        "smooth": share * share * (3 - 2 * share),
        "ease_in": share * share,
        "ease_out": 1 - (1 - share) ** 2,
    }
    if easing not in eased:
        raise NoSuchPath(f"There is no easing {easing!r}: choose from {', '.join(EASINGS)}.")
    return eased[easing]
