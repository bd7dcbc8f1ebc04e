"""Keys of location and rotation on an object's own F-curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from mathutils import Matrix

from ..compat import fcurves_of

if TYPE_CHECKING:
    import bpy

    from .few_keys import Keys

__all__ = ["MOTION_PATHS", "motion_of_curves", "motion_of_poses", "write_motion"]

MOTION_PATHS = ("location", "rotation_quaternion")  # channels 0 to 2, and 3 to 6
_FIRST = {"location": 0, "rotation_quaternion": 3}


def write_motion(item: bpy.types.Object, keys: Keys, first_frame: int) -> None:
    """Key an object that has no curves of location and quaternion. Rotation mode and what the
    object's channels are at this moment are the caller's to set."""
    for path in MOTION_PATHS:
        item.keyframe_insert(path, frame=first_frame)  # makes action, slot and curves
    for channel, curve in _channels(item):
        _fill(curve, first_frame + keys.frames, keys.values[:, channel])
        if keys.slopes is not None:
            _bend(curve, keys.slopes[:, channel])
        curve.update()


def motion_of_poses(poses: np.ndarray) -> np.ndarray:
    """Location and quaternion [T, 7] of rigid poses [T, 4, 4], where neighbours interpolate."""
    turns = np.array([Matrix(pose[:3, :3].tolist()).to_quaternion() for pose in poses])
    signs = np.where((turns[1:] * turns[:-1]).sum(axis=1) < 0, -1.0, 1.0)
    turns[1:] *= np.cumprod(signs)[:, None]  # the same rotations
    return np.concatenate([poses[:, :3, 3], turns], axis=1)


def motion_of_curves(item: bpy.types.Object, first_frame: int, n_frames: int) -> np.ndarray:
    """What Blender makes of an object's keys at whole frames: location, quaternion [T, 7]."""
    motion = np.empty((n_frames, 7))
    for channel, curve in _channels(item):
        frames = range(first_frame, first_frame + n_frames)
        motion[:, channel] = [curve.evaluate(frame) for frame in frames]
    return motion


def _channels(item: bpy.types.Object) -> list[tuple[int, bpy.types.FCurve]]:
    return [
        (_FIRST[curve.data_path] + curve.array_index, curve)
        for curve in fcurves_of(item)
        if curve.data_path in _FIRST
    ]


def _fill(curve: bpy.types.FCurve, frames: np.ndarray, values: np.ndarray) -> None:
    points = curve.keyframe_points
    points.add(len(frames) - len(points))
    points.foreach_set("co", np.column_stack([frames, values]).astype(np.float32).ravel())
    for point in points:
        point.interpolation = "LINEAR"


def _bend(curve: bpy.types.FCurve, slopes: np.ndarray) -> None:
    """Give keys handles along their slopes, a third of the way to the next key: the curve is then
    the cubic polynomial of these slopes."""
    points = curve.keyframe_points
    third = np.diff([point.co.x for point in points]) / 3
    before, after = np.append(third[:1], third), np.append(third, third[-1:])
    for point, slope, left, right in zip(points, slopes, before, after, strict=True):
        point.interpolation = "BEZIER"
        point.handle_left_type = point.handle_right_type = "ALIGNED"
        point.handle_left = point.co.x - left, point.co.y - slope * left
        point.handle_right = point.co.x + right, point.co.y + slope * right
