"""What lies where in the artist's project, and whether a scene is somebody's work already."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from .clip_pictures import clip_pictures
from .clip_source import mesh_source
from .compat import strips_in
from .preferences import user_folder
from .start_objects import is_start_object

if TYPE_CHECKING:
    from .properties import Ex4dShot
    from .requests import ClipSource

__all__ = ["folder_of", "holds_work", "mesh_name_of", "new_folder"]


def holds_work(scene: bpy.types.Scene) -> bool:
    """Whether somebody would be sorry for changes of the scene's rate, range and size."""
    animated = scene.animation_data is not None
    foreign = any(not is_start_object(item) for item in scene.objects)
    return bool(len(strips_in(scene)) or animated or foreign)


def mesh_name_of(source: ClipSource) -> str:
    """What a clip's mesh is called: the file's name, that of pictures without their numbers; with
    a number when another clip has it. Raises SettingsError for pictures with a gap."""
    pictures = clip_pictures(Path(source.clip))
    name = stem = Path(source.clip).stem if pictures is None else pictures.stem
    taken = {
        item["ex4d_name"]: mesh_source(item).clip
        for item in bpy.data.objects
        if "ex4d_source" in item
    }
    number = 2
    while taken.get(name, source.clip) != source.clip:
        name, number = f"{stem} {number}", number + 1
    return name


def folder_of(settings: Ex4dShot) -> Path:
    """Where this file's meshes and takes are kept."""
    if settings.folder.startswith("//") and not bpy.data.filepath:
        return user_folder() / "unsaved" / settings.scene_id
    return Path(bpy.path.abspath(settings.folder))


def new_folder(settings: Ex4dShot, name: str, kind: str) -> tuple[int, Path]:
    """Make the next folder of a kind, "mesh" or "take", and return its number: what an earlier one
    holds may still be in use, by an undo or by another file."""
    base = folder_of(settings) / name
    base.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = base / f"{kind}_{number:03d}"
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return number, folder
