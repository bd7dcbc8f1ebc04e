"""Cameras made of camera files: one that films anew, and the one that filmed a clip."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import bpy
import numpy as np

from ..axes import blender_from_world_to_camera
from ..errors import SettingsError
from ..mesh.shot_start import first_frame_of_clip, mesh_start
from .few_keys import Keys
from .key_curves import motion_of_poses, write_motion
from .keyframes import apply_path
from .sampling import render_size
from .source_camera import place_source_camera

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..jobs.camera_file import CameraFile
    from ..scene.properties import Ex4dShot

__all__ = ["add_camera", "import_new_camera", "import_solved_camera", "size_note"]

_SAME_ASPECT = 1e-4


def import_new_camera(shot: Ex4dShot, file: CameraFile, name: str) -> list[str]:
    """Make a camera that moves through the chosen mesh as a file says, from the mesh's first frame
    on, and choose it; without a mesh it stands in the scene's world.

    Returns what the artist should know. Raises CameraError where the mesh cannot carry a path.
    """
    shot.camera = add_camera(shot.id_data, shot.mesh, file, name, like=shot.camera)
    return _notes(shot, file)


def add_camera(
    scene: bpy.types.Scene,
    mesh: bpy.types.Object | None,
    file: CameraFile,
    name: str,
    *,
    like: bpy.types.Object | None,  # the camera whose clipping it gets
) -> bpy.types.Object:
    """Add a camera that moves through a mesh as a file says, or through the scene's world."""
    path = file.extrinsics
    if mesh is not None and file.source_extrinsics is not None:
        path = path @ np.linalg.inv(file.source_extrinsics[0])  # its world: the mesh at first
    first = mesh_start(mesh) if mesh is not None else scene.frame_start
    with _new_camera(scene, mesh, name, like) as made:
        place_source_camera(made, file.intrinsics, file.size, first_frame=first)
        if mesh is None:
            _key(made, path, first)
        else:
            apply_path(made, mesh, path, first_frame=first, scene=scene)
    return made


def import_solved_camera(shot: Ex4dShot, file: CameraFile, name: str) -> list[str]:
    """Make the camera that filmed the clip, from its first frame on, and choose it as solved.

    A file has a pose for each frame of the clip, or for each that is used. Returns what the artist
    should know. Raises SettingsError where it has neither.
    """
    count, starts_at = len(file.extrinsics), shot.starts_at
    first, step = starts_at, 1
    if shot.clip_frames and count != shot.clip_frames:
        if count != shot.num_frames:
            raise SettingsError(
                f"The camera file has {count} poses; the clip has {shot.clip_frames} frames, of "
                f"which {shot.num_frames} are used: give a pose for each."
            )
        first, step = first_frame_of_clip(shot), shot.stride
    lens = np.repeat(file.intrinsics, step, axis=0)  # of frames between: not looked at
    with _new_camera(shot.id_data, shot.mesh, name, shot.camera) as made:
        place_source_camera(made, lens, file.size, first_frame=first)
        _key(made, file.extrinsics, first, step)
    shot.solved_camera = made
    shot.solved_start = starts_at
    return _pixel_notes(shot, file)


@contextmanager
def _new_camera(
    scene: bpy.types.Scene,
    mesh: bpy.types.Object | None,
    name: str,
    like: bpy.types.Object | None,
) -> Iterator[bpy.types.Object]:
    """A camera beside the mesh; gone again where what is done with it fails."""
    made = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    own = mesh is not None and mesh.library is None and mesh.users_collection
    collections = [item for item in own or () if item.library is None]
    (collections or [scene.collection])[0].objects.link(made)
    if like is not None and like.type == "CAMERA":
        made.data.clip_start, made.data.clip_end = like.data.clip_start, like.data.clip_end
    with ExitStack() as failed:
        failed.callback(bpy.data.cameras.remove, made.data)  # and the object with it
        yield made
        failed.pop_all()


def _key(camera: bpy.types.Object, extrinsics: np.ndarray, first: int, step: int = 1) -> None:
    """Key poses of the scene's world."""
    motion = motion_of_poses(blender_from_world_to_camera(extrinsics))
    camera.rotation_mode = "QUATERNION"
    write_motion(camera, Keys(step * np.arange(len(motion)), motion), first)
    camera.location, camera.rotation_quaternion = motion[0, :3], motion[0, 3:]


def size_note(scene: bpy.types.Scene, file: CameraFile) -> str:
    """That the scene renders another size than a file is for, as a sentence, or nothing."""
    (width, height), now = file.size, render_size(scene)
    if file.size == now:
        return ""
    return f"The path is for {width}x{height} pixels, the scene renders {now[0]}x{now[1]}."


def _notes(shot: Ex4dShot, file: CameraFile) -> list[str]:
    """What is otherwise in the scene than in the file."""
    mesh, count, notes = shot.mesh, len(file.extrinsics), []
    if note := size_note(shot.id_data, file):
        notes.append(note)
    if mesh is not None and count != int(mesh["ex4d_n_frames"]):
        notes.append(f"The file has {count} poses, the mesh {int(mesh['ex4d_n_frames'])} frames.")
    if file.shows_other_frames:
        notes.append("The file shows the source's frames in another order; the mesh plays on.")
    source = file.source_extrinsics
    is_moving = source is not None and np.abs(source - source[0]).max() > 1e-6
    if is_moving and mesh is not None and not mesh.get("ex4d_solved"):
        notes.append(
            "In the file the clip's own camera moves, and the mesh stands still: choose the solved "
            "camera and reconstruct."
        )
    return [*notes, *_pixel_notes(shot, file)]


def _pixel_notes(shot: Ex4dShot, file: CameraFile) -> list[str]:
    """That the scene's pixels have another shape than those of the file."""
    render = shot.id_data.render
    now = render.pixel_aspect_y / render.pixel_aspect_x
    meant = float(file.intrinsics[0, 0, 0] / file.intrinsics[0, 1, 1])
    if abs(meant / now - 1) < _SAME_ASPECT:
        return []
    return [f"The file's pixels are {1 / meant:.4g} as wide as high: give the scene that aspect."]
