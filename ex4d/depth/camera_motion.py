"""How the camera's own motion changes the disparity of points that two frames have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from ex4d.video.flow import Matches

__all__ = ["disparity_changes"]

_MOST_POINTS = 400  # for a pose; more make it no better
_FEWEST_POINTS = 12
_FEWEST_SHARE = 0.3  # of the points that must move as a rigid scene does
_MOST_ERROR_PX = 1.5
_FARTHEST = 0.05  # of the usual disparity; what is farther tells little of the camera's motion


def disparity_changes(
    disparity: np.ndarray,  # float64 [P], >= 0, of the points here
    points: Matches,
    intrinsics: tuple[np.ndarray, np.ndarray],  # [3, 3] here and there
) -> np.ndarray:  # float64 [P]
    """How much greater the points' disparity should be there, for a scene at rest.

    The relative pose comes from the points themselves (PnP, robust: what moves on its own is left
    out of it). Zero for points too far away to tell, and where no pose explains enough points.
    """
    near = disparity > _FARTHEST * np.median(disparity)
    changes = np.zeros(len(disparity))
    if near.sum() < _FEWEST_POINTS:
        return changes
    homogeneous = np.column_stack([points.here, np.ones(len(points.here))])
    rays = homogeneous @ np.linalg.inv(intrinsics[0]).T
    positions = rays[near] / disparity[near, None]
    pose = _relative_pose(positions, points.there[near], intrinsics[1])
    if pose is not None:
        depth_there = positions @ pose[0][2] + pose[1][2]
        in_front = depth_there > 0.1 * positions[:, 2]
        depth_there = np.where(in_front, depth_there, positions[:, 2])
        changes[near] = 1 / depth_there - disparity[near]
    return changes


def _relative_pose(
    positions: np.ndarray, pixels: np.ndarray, intrinsics: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """The rotation [3, 3] and translation [3] that bring positions [P, 3] to where they are seen
    [P, 2]; None when too few agree on one."""
    step = -(-len(positions) // _MOST_POINTS)
    positions, pixels = (
        np.ascontiguousarray(positions[::step]),
        np.ascontiguousarray(pixels[::step]),
    )
    cv2.setRNGSeed(0)  # the same points give the same pose
    found, turn, shift, chosen = cv2.solvePnPRansac(
        positions,
        pixels,
        intrinsics,
        None,
        iterationsCount=60,
        reprojectionError=_MOST_ERROR_PX,
        flags=cv2.SOLVEPNP_SQPNP,
    )
    if not found or chosen is None or len(chosen) < _FEWEST_SHARE * len(positions):
        return None
    chosen = chosen.ravel()
    turn, shift = cv2.solvePnPRefineLM(
        positions[chosen], pixels[chosen], intrinsics, None, turn, shift
    )
    return cv2.Rodrigues(turn)[0], shift.ravel()
