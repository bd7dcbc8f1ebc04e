"""What can be done with a finished take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import bpy

from ..camera.camera_import import size_note
from ..camera.sampling import render_size
from ..errors import SettingsError
from ..jobs.camera_file import read_camera_file
from ..jobs.requests import Precision, render_request_from
from ..jobs.take_files import TAKE_FILE
from ..project.clip_source import show_source
from ..project.file_paths import files_in_use
from ..project.paths import found_path
from .take_camera import camera_of_take, mesh_of_source
from .take_strips import remove_strips

if TYPE_CHECKING:
    from ..jobs.requests import RenderRequest
    from ..scene.properties import Ex4dShot, Ex4dTake

__all__ = ["folder_of_take", "lists", "remove_take", "request_of", "reuse_settings"]

_FILES = ("result.mp4", "color.mp4", "mask.mp4", "camera.npz", "summary.json", TAKE_FILE)


def request_of(take: Ex4dTake) -> RenderRequest:
    """What was asked for. Raises SettingsError when the file does not say."""
    try:
        return render_request_from(json.loads(take.request))
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"{take.name}: its settings cannot be read.") from error


def reuse_settings(shot: Ex4dShot, take: Ex4dTake) -> str:
    """Set the panel as it was for this take: clip, mesh, quality and seed, and a camera that moves
    as then; it is a new one where the camera of the take moves otherwise now.

    Returns what is not as it was, as a sentence. Raises SettingsError, and changes nothing, when
    the take's settings or its path cannot be read.
    """
    request, scene = request_of(take), shot.id_data
    mesh = mesh_of_source(scene, request.source, shot.mesh)
    camera = bpy.data.objects.get(request.camera)
    note = f"The mesh of {take.name} is not in this scene: reconstruct its clip again."
    if mesh is not None:
        file = read_camera_file(folder_of_take(take) / "camera.npz", render_size(scene))
        camera = camera_of_take(scene, mesh, file, camera, take.name)
        note = size_note(scene, file)
    show_source(shot, request.source)
    shot.min_face_angle = request.min_face_angle_deg
    shot.seed = take.seed
    final = request.final
    if final is not None:
        shot.prompt, shot.keep_source = final.prompt, final.keep_source
    if final is not None and not final.is_fast:
        if final.precision in get_args(Precision):  # a file can say anything
            shot.precision = final.precision
        shot.steps, shot.guidance_scale = final.steps, final.guidance_scale
        shot.guidance_until, shot.step_cache = final.guidance_until, final.step_cache
    shot.quality = request.quality or shot.quality
    shot.mesh = mesh  # none, rather than that of another clip
    if camera is not None and camera.type == "CAMERA":
        shot.camera = camera
    return note


def remove_take(shot: Ex4dShot, index: int, *, delete_files: bool = False) -> str:
    """Take a take from a scene's list, and its strips from the sequencers; a copied scene that
    lists it keeps both. Its files stay, so that it can be taken in again; or they go, where nothing
    in the open file uses them, and nothing else in their folder does.

    Returns why the files stayed, where they should go. Raises SettingsError when the file does not
    say where they are; nothing is changed then.
    """
    take = shot.takes[index]
    name, folder = take.name, folder_of_take(take) if delete_files else None
    others = [scene for scene in bpy.data.scenes if scene.ex4d != shot and lists(scene, take)]
    remove_strips(take, keep_in=others)
    shot.takes.remove(index)
    shot.active_take = max(0, min(index, len(shot.takes) - 1))
    if folder is None:
        return ""
    used = others[0].name if others else files_in_use(folder)
    if used:
        return f"The files of {name} stay in {folder}: {used!r} uses them."
    for file in _FILES:  # the folder stays, so that its number is not used again
        (folder / file).unlink(missing_ok=True)
    return ""


def lists(scene: bpy.types.Scene, take: Ex4dTake) -> bool:
    """Whether a take is in a scene's list."""
    return any(other.job_id == take.job_id for other in scene.ex4d.takes)


def folder_of_take(take: Ex4dTake) -> Path:
    """Where a take's files are now. Raises SettingsError when the file does not say."""
    return Path(found_path(take.folder, request_of(take).folder))
