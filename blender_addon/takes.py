"""What can be done with a finished take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from .clip_source import show_source
from .compat import strips_in
from .errors import AddonError, SettingsError
from .paths import found_path
from .readiness import ENGINES
from .requests import RenderRequest, request_from
from .sequencer import Take, insert_take

if TYPE_CHECKING:
    from .properties import Ex4dShot, Ex4dTake

__all__ = [
    "conditions_shown",
    "hide_conditions",
    "remove_take",
    "request_of",
    "reuse_settings",
    "show_conditions",
]

_CONDITIONS = {"color.mp4": "colour", "mask.mp4": "mask"}
_FILES = ("result.mp4", "color.mp4", "mask.mp4", "camera.npz", "summary.json")


def request_of(take: Ex4dTake) -> RenderRequest:
    """What was asked for. Raises SettingsError when the file does not say."""
    try:
        request = request_from(json.loads(take.request))
        if isinstance(request, RenderRequest):
            return request
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"{take.name}: its settings cannot be read.") from error
    raise SettingsError(f"{take.name} is no take.")


def reuse_settings(shot: Ex4dShot, take: Ex4dTake) -> None:
    """Set the panel as it was for this take; the camera too, where it still is."""
    request = request_of(take)
    show_source(shot, request.source)
    shot.min_face_angle = request.min_face_angle_deg
    shot.seed = take.seed
    if request.final is not None:
        shot.steps, shot.guidance_scale = request.final.steps, request.final.guidance_scale
        shot.prompt, shot.keep_source = request.final.prompt, request.final.keep_source
    names = {engine: quality for quality, engine in ENGINES.items()}
    shot.quality = names.get(request.engine, shot.quality)
    camera = bpy.data.objects.get(request.camera)
    if camera is not None and camera.type == "CAMERA":
        shot.camera = camera


def conditions_shown(take: Ex4dTake) -> bool:
    """Whether the take's conditions are strips now."""
    return any("ex4d_condition" in strip for _, strip in _strips_of(take))


def show_conditions(take: Ex4dTake) -> None:
    """Put colour and mask as strips over the take's own. Raises AddonError when that is gone."""
    own = [(scene, s) for scene, s in _strips_of(take) if "ex4d_condition" not in s]
    if not own:
        raise AddonError(f"{take.name} has no strip any more; render it again.")
    scene, request = own[0][0], request_of(take)
    for file, word in _CONDITIONS.items():
        path = _folder_of(take) / file
        given = Take(path, f"{take.name} {word}", take.job_id, request.seed, take.engine)
        insert_take(scene, given, request.frame_start).strip["ex4d_condition"] = word


def hide_conditions(take: Ex4dTake) -> None:
    """Take these strips away again; the files stay."""
    for scene, strip in _strips_of(take):
        if "ex4d_condition" in strip:
            strips_in(scene).remove(strip)


def remove_take(shot: Ex4dShot, index: int) -> None:
    """Remove a take with its strips, and its files unless a copied scene has the take too; nothing
    else in its folder is touched."""
    take = shot.takes[index]
    for scene, strip in _strips_of(take):
        strips_in(scene).remove(strip)
    folder, job_id = _folder_of(take), take.job_id
    shot.takes.remove(index)
    if not any(t.job_id == job_id for scene in bpy.data.scenes for t in scene.ex4d.takes):
        for name in _FILES:  # the folder stays, so that its number is not used again
            (folder / name).unlink(missing_ok=True)
    shot.active_take = max(0, min(index, len(shot.takes) - 1))


def _folder_of(take: Ex4dTake) -> Path:
    return Path(found_path(take.folder, request_of(take).folder))


def _strips_of(take: Ex4dTake) -> list[tuple[bpy.types.Scene, bpy.types.bpy_struct]]:
    return [
        (scene, strip)
        for scene in bpy.data.scenes
        for strip in list(strips_in(scene))
        if strip.get("ex4d_job_id") == take.job_id
    ]
