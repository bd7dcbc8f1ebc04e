"""Cameras of the scene as camera paths.

A pose is relative to the imported mesh object, so the artist may move, turn and scale that; where
the mesh object moves from frame to frame, so did the clip's camera. Pixel centres lie at +0.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..axes import SOURCE_CAMERA, world_to_camera_from_blender
from ..errors import CameraError
from ..jobs.camera_path import CameraPath
from ..mesh.resting_mesh import mesh_at_rest
from .camera_state import (
    SHEAR_TOLERANCE,
    check_lens,
    evaluated,
    frames_restored,
    intrinsics_of,
    matrix_of,
    nearest_rotation,
    view_layer_of,
)
from .marker_cameras import bound_cameras, marker_camera

if TYPE_CHECKING:
    from collections.abc import Sequence

    import bpy

__all__ = ["render_size", "sample_camera"]

_STILL = 1e-6  # of the mesh object's matrix


def render_size(scene: bpy.types.Scene) -> tuple[int, int]:
    """The (W, H) that a scene renders, its percentage included."""
    render = scene.render
    share = render.resolution_percentage
    return (
        max(1, render.resolution_x * share // 100),
        max(1, render.resolution_y * share // 100),
    )


def sample_camera(
    scene: bpy.types.Scene,
    camera: bpy.types.Object,
    root: bpy.types.Object,  # the imported mesh object
    frames: Sequence[float],
    *,
    size: tuple[int, int] | None = None,  # (W, H); default: what the scene renders
    follow_markers: bool = False,  # the cameras of the scene's markers, each in its time
) -> CameraPath:
    """Read a perspective camera at scene frames, with parents, constraints, lens and shift.

    The world of the path is `root` at the first frame, its scale taken out. Raises CameraError for
    another kind of camera, no frames, a camera or root outside the view layer, uneven scale or
    mirroring.
    """
    size = size or render_size(scene)
    if not len(frames):
        raise CameraError("There are no frames to sample: check the frame range of the shot.")
    cameras = bound_cameras(scene) if follow_markers else []
    cameras = cameras or [camera]
    view_layer = view_layer_of(scene, *cameras, root)
    poses, roots, intrinsics = [], [], []
    with mesh_at_rest(root, *cameras), frames_restored(scene):
        for frame in frames:
            whole = int(np.floor(frame))
            scene.frame_set(whole, subframe=float(frame - whole))
            depsgraph = view_layer.depsgraph
            chosen = (marker_camera(scene) if follow_markers else None) or camera
            current, mesh = evaluated(chosen, depsgraph), evaluated(root, depsgraph)
            check_lens(current, frame)
            roots.append(matrix_of(mesh))
            poses.append(_relative_pose(current, mesh, frame))
            intrinsics.append(intrinsics_of(current, depsgraph, scene.render, size))
    motion = _motion_of(np.stack(roots))
    if motion is None:
        return CameraPath(world_to_camera_from_blender(np.stack(poses)), np.stack(intrinsics), size)
    return CameraPath(
        world_to_camera_from_blender(motion @ np.stack(poses)),
        np.stack(intrinsics),
        size,
        world_to_camera_from_blender(motion @ SOURCE_CAMERA),
    )


def _motion_of(roots: np.ndarray) -> np.ndarray | None:
    """How the mesh object [T, 4, 4] moves as seen from where it is first: rigid [T, 4, 4]; None
    when it stands still, or changes its scale, so that its frames share no world."""
    scales = np.cbrt(np.linalg.det(roots[:, :3, :3]))
    if np.allclose(roots, roots[0], rtol=0, atol=_STILL * max(1.0, np.abs(roots[0]).max())):
        return None
    if not np.allclose(scales, scales[0], rtol=SHEAR_TOLERANCE):
        return None
    motion = np.linalg.solve(roots[0], roots)
    u, _, v = np.linalg.svd(motion[:, :3, :3])
    motion[:, :3, :3] = u @ v
    return motion


def _relative_pose(camera: bpy.types.Object, root: bpy.types.Object, frame: float) -> np.ndarray:
    """The camera in the root's frame [4, 4], rigid: a picture does not change when the mesh and
    the way to the camera are scaled alike. Both are evaluated objects."""
    camera_to_world, root_to_world = matrix_of(camera), matrix_of(root)
    sides = np.linalg.norm(root_to_world[:3, :3], axis=0)
    root_rotation = nearest_rotation(root_to_world[:3, :3], "The mesh object", frame, root)
    if not sides.min() > 0 or sides.max() / sides.min() > 1 + SHEAR_TOLERANCE:
        raise CameraError(
            f"The mesh object is scaled unevenly at frame {frame:g}: give it one scale."
        )
    what = f"The camera {camera.name!r}"
    rotation = nearest_rotation(camera_to_world[:3, :3], what, frame, camera)
    pose = np.linalg.solve(root_to_world, camera_to_world)
    pose[:3, :3] = root_rotation.T @ rotation
    pose[3] = (0, 0, 0, 1)
    return pose
