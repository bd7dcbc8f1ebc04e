"""The mesh and the camera move of a take, found again or made anew."""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING

import bpy
import numpy as np

from .camera import render_size, sample_camera
from .camera_state import frames_restored
from .clip_source import mesh_source
from .errors import AddonError, CameraError, SettingsError
from .keyframes import apply_path
from .shot_start import mesh_start
from .source_camera import place_source_camera

if TYPE_CHECKING:
    from pathlib import Path

    from .requests import ClipSource

__all__ = ["camera_of_take", "mesh_of_source", "size_note"]

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
    path: Path,
    camera: bpy.types.Object | None,
    name: str,
) -> bpy.types.Object:
    """A camera that moves as a take's did: `camera` where it still does, else a new one, so that
    what was keyed since is not lost. Raises SettingsError when the take's path cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            extrinsics, intrinsics = arrays["extrinsics"], arrays["intrinsics"]
            width, height = (int(side) for side in arrays["size"])
    except (OSError, KeyError, ValueError) as error:
        raise SettingsError(f"The camera path of the take cannot be read: {path}.") from error
    first = mesh_start(mesh)
    if camera is not None and camera.name in scene.objects:
        frames = range(first, first + len(extrinsics))
        try:
            now = sample_camera(scene, camera, mesh, frames, size=(width, height))
        except CameraError:
            now = None
        if now is not None and _same(now.extrinsics, extrinsics, now.intrinsics, intrinsics):
            return camera
    made = bpy.data.objects.new(f"{name} Camera", bpy.data.cameras.new(f"{name} Camera"))
    (mesh.users_collection or (scene.collection,))[0].objects.link(made)
    if camera is not None and camera.type == "CAMERA":
        made.data.clip_start, made.data.clip_end = camera.data.clip_start, camera.data.clip_end
    place_source_camera(made, intrinsics, (width, height), first_frame=first)
    with frames_restored(scene):
        scene.frame_set(first)  # where the path's world is
        apply_path(made, mesh, extrinsics, first_frame=first)
    return made


def size_note(scene: bpy.types.Scene, path: Path) -> str:
    """That the scene renders another size than a take has, as a sentence, or nothing."""
    with np.load(path, allow_pickle=False) as arrays:
        size = tuple(int(side) for side in arrays["size"])
    now = render_size(scene)
    if size == now:
        return ""
    return f"The take has {size[0]}x{size[1]} pixels, the scene renders {now[0]}x{now[1]}."


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
