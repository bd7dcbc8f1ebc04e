"""The two cameras of a reconstruction: one that re-shows the plate, and one to animate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy
import numpy as np
from mathutils import Matrix

from ..axes import SOURCE_CAMERA
from ..errors import CameraError
from ..mesh.made_state import camera_state, is_as_made, note_as_made
from ..mesh.shot_parts import new_part
from .camera_state import evaluated, frames_restored, matrix_of, view_layer_with
from .clip_range import drive_clip_range
from .source_camera import place_source_camera

if TYPE_CHECKING:
    from ..jobs.reconstruction import Reconstruction
    from ..mesh.shot_parts import ShotParts

__all__ = ["keep_still", "make_shot_camera", "make_source_camera"]


def make_source_camera(
    known: ShotParts | None,
    root: bpy.types.Object,
    reconstruction: Reconstruction,
    *,
    name: str,
    first_frame: int,
    render: bpy.types.RenderSettings | None = None,  # set to the plate's size and pixel aspect
) -> bpy.types.Object:
    """The source's camera, a child of the mesh object: set anew, or another one where the artist
    has made something else of it."""
    camera = known.source_camera if known else None
    if camera is None or camera.parent != root or not is_as_made(camera, camera_state(camera)):
        camera = _new_camera("source camera", name)
    elif camera.data.users > 1 or camera.data.library is not None:
        camera.data = camera.data.copy()  # another camera has this lens, too
    camera.parent = root
    intrinsics, size = reconstruction.intrinsics, reconstruction.size
    place_source_camera(camera, intrinsics, size, first_frame=first_frame, render=render)
    drive_clip_range(camera.data, root, reconstruction)
    note_as_made(camera, camera_state(camera))
    return camera


def make_shot_camera(
    scene: bpy.types.Scene,
    root: bpy.types.Object,
    reconstruction: Reconstruction,
    *,
    name: str,
    first_frame: int,
) -> bpy.types.Object:
    """A camera that begins where the source's stands at the first frame: a child of a mesh object
    that stands still, so that both are placed as one; in the world where a solved camera moves the
    mesh, for it would shake as that did."""
    camera = _new_camera("shot camera", name)
    place_source_camera(
        camera, reconstruction.intrinsics, reconstruction.size, first_frame=first_frame
    )
    drive_clip_range(camera.data, root, reconstruction)
    camera.parent = root
    note_as_made(camera, camera_state(camera))
    if root.get("ex4d_solved"):
        _stand_in_world(scene, camera, root, first_frame)
    return camera


def keep_still(
    scene: bpy.types.Scene, camera: bpy.types.Object, root: bpy.types.Object, first_frame: int
) -> None:
    """Take an untouched camera to animate off a mesh object that a solved camera moves from now
    on."""
    if (
        root.get("ex4d_solved")
        and camera.parent == root
        and is_as_made(camera, camera_state(camera))
    ):
        _stand_in_world(scene, camera, root, first_frame)


def _stand_in_world(
    scene: bpy.types.Scene, camera: bpy.types.Object, root: bpy.types.Object, first_frame: int
) -> None:
    pose = _matrix_at(scene, root, first_frame) @ SOURCE_CAMERA
    pose[:3, :3] /= np.linalg.norm(pose[:3, :3], axis=0)
    location, rotation, _ = Matrix(pose.tolist()).decompose()
    camera.parent = None
    camera.location, camera.rotation_euler = location, rotation.to_euler()


def _matrix_at(scene: bpy.types.Scene, root: bpy.types.Object, frame: int) -> np.ndarray:
    try:
        view_layer = view_layer_with(scene, root)
        with frames_restored(scene):
            scene.frame_set(frame)
            return matrix_of(evaluated(root, view_layer.depsgraph))
    except CameraError:  # hidden: where it was when it was last shown
        return matrix_of(root)


def _new_camera(part: str, name: str) -> bpy.types.Object:
    data = new_part(part, name, bpy.data.cameras)
    camera: bpy.types.Object = new_part(part, name, bpy.data.objects, data)
    return camera
