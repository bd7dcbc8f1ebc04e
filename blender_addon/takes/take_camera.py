"""The mesh and the camera move of a take, found again or made anew."""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING

import numpy as np

from ..camera.camera_import import add_camera
from ..camera.sampling import sample_camera
from ..errors import AddonError, CameraError
from ..mesh.shot_start import mesh_start
from ..project.clip_source import mesh_source

if TYPE_CHECKING:
    import bpy

    from ..jobs.camera_file import CameraFile
    from ..jobs.requests import ClipSource

__all__ = ["camera_of_take", "mesh_of_source"]

_SAME_POSE, _SAME_LENS = 1e-4, 1e-2  # scene units and shares of them; pixels


def mesh_of_source(
    scene: bpy.types.Scene, source: ClipSource, likely: bpy.types.Object | None
) -> bpy.types.Object | None:
    """The mesh of a scene that was made of these frames of this clip, wherever that lies now:
    `likely` where that is one."""
    meshes = [item for item in scene.objects if item.type == "MESH" and "ex4d_source" in item]
    fitting = [item for item in meshes if _is_made_of(item, source)]
    return likely if likely in fitting else next(iter(fitting), None)


def camera_of_take(
    scene: bpy.types.Scene,
    mesh: bpy.types.Object,
    file: CameraFile,
    camera: bpy.types.Object | None,
    name: str,
) -> bpy.types.Object:
    """A camera that moves as a take's did: `camera` where it still does, else a new one, so that
    what was keyed since is not lost."""
    if camera is not None and camera.name in scene.objects:
        first = mesh_start(mesh)
        frames = range(first, first + len(file.extrinsics))
        try:
            now = sample_camera(scene, camera, mesh, frames, size=file.size)
        except CameraError:
            now = None
        if now is not None and _same(
            now.extrinsics, file.extrinsics, now.intrinsics, file.intrinsics
        ):
            return camera
    return add_camera(scene, mesh, file, f"{name} Camera", like=camera)


def _is_made_of(mesh: bpy.types.Object, source: ClipSource) -> bool:
    try:
        own = mesh_source(mesh)
    except AddonError:
        return False
    frames = (own.start_frame, own.stride, own.num_frames)
    if frames != (source.start_frame, source.stride, source.num_frames):
        return False
    names = [os.path.basename(path) for path in (own.clip, source.clip)]
    return own.clip == source.clip or (names[0] == names[1] and not os.path.exists(source.clip))


def _same(
    extrinsics: np.ndarray, others: np.ndarray, intrinsics: np.ndarray, other_lenses: np.ndarray
) -> bool:
    """Whether two paths make the same picture."""
    return bool(
        extrinsics.shape == others.shape
        and np.allclose(extrinsics, others, rtol=_SAME_POSE, atol=_SAME_POSE)
        and np.allclose(intrinsics, other_lenses, rtol=0, atol=_SAME_LENS)
    )
