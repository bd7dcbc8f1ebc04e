"""What lies where in the artist's project, and whether a scene is somebody's work already."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from ..compat import strips_in
from ..errors import SettingsError
from ..extension import user_folder
from ..jobs.clip_pictures import clip_pictures
from ..mesh.shot_parts import parts_of
from ..words import fitting_name
from .clip_source import mesh_source
from .footage import is_same_file
from .start_objects import is_start_object

if TYPE_CHECKING:
    from ..jobs.requests import ClipSource
    from ..scene.properties import Ex4dShot

__all__ = ["continues", "folder_of", "holds_work", "mesh_name_of", "new_folder", "next_folder"]

_LONGEST_STEM_BYTES = 200  # of a file's name, which becomes a folder's with a few words more


def holds_work(scene: bpy.types.Scene) -> bool:
    """Whether somebody would be sorry for changes of the scene's rate, range and size."""
    animated = scene.animation_data is not None
    foreign = any(not is_start_object(item) for item in scene.objects)
    return bool(len(strips_in(scene)) or animated or foreign)


def mesh_name_of(scene: bpy.types.Scene, source: ClipSource) -> str:
    """What the mesh of these frames of a clip is called: as the scene's own one that they replace;
    else the file's name, that of pictures without their numbers, with the frames or a number where
    another mesh has that. Raises SettingsError for pictures with a gap."""
    for parts in parts_of(scene):
        if "ex4d_source" in parts.mesh and _is_continued(parts.mesh, source):
            return parts.name
    taken = {item.get("ex4d_name") for item in bpy.data.objects}
    pictures = clip_pictures(Path(source.clip))
    stem = Path(source.clip).stem if pictures is None else pictures.stem
    last = source.start_frame + source.stride * (source.num_frames - 1)
    stem = fitting_name(stem, most=_LONGEST_STEM_BYTES)
    names = (stem, f"{stem} {source.start_frame}-{last}")
    free = (name for name in names if name not in taken)
    return next(free, "") or next(
        name for number in itertools.count(2) if (name := f"{stem} {number}") not in taken
    )


def _is_continued(mesh: bpy.types.Object, source: ClipSource) -> bool:
    """Whether frames of a clip take the place of a mesh; not of one that does not say what it was
    made of, for that may be another clip."""
    try:
        return continues(mesh_source(mesh), source)
    except SettingsError:
        return False


def continues(old: ClipSource, new: ClipSource) -> bool:
    """Whether frames of a clip are all that older ones are, and perhaps more: their mesh then takes
    the place of the old one, and nothing is lost."""
    return (
        is_same_file(old.clip, new.clip)
        and (old.start_frame, old.stride) == (new.start_frame, new.stride)
        and old.num_frames <= new.num_frames
    )


def folder_of(settings: Ex4dShot) -> Path:
    """Where this file's meshes and takes are kept."""
    if settings.folder.startswith("//") and not bpy.data.filepath:
        return user_folder() / "unsaved" / settings.scene_id
    return Path(bpy.path.abspath(settings.folder))


def new_folder(settings: Ex4dShot, name: str, kind: str) -> tuple[int, Path]:
    """Make the next folder of a kind, "mesh" or "take", and return its number: what an earlier one
    holds may still be in use, by an undo or by another file. Raises SettingsError where the disk
    refuses."""
    try:
        return next_folder(folder_of(settings) / name, kind)
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise SettingsError(
            f"The folder {folder_of(settings)} cannot be written to ({why}): choose another Folder."
        ) from error


def next_folder(base: Path, kind: str, number: int = 1) -> tuple[int, Path]:
    """Make the first folder of a kind that is not there yet, from a number on. Raises OSError."""
    base.mkdir(parents=True, exist_ok=True)
    while True:
        folder = base / f"{kind}_{number:03d}"
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return number, folder
