"""Where the files of a mesh are now: its project may have been moved, linked or appended, its
footage found again by Blender or in the panel."""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING

import bpy

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["find_footage", "is_same_file", "positions_of"]


def is_same_file(one: str, other: str) -> bool:
    """Whether two paths mean one file; or one name, where the first is not there any more."""
    if os.path.normcase(os.path.normpath(one)) == os.path.normcase(os.path.normpath(other)):
        return True
    return os.path.basename(one) == os.path.basename(other) and not os.path.exists(one)


def find_footage(
    mesh: bpy.types.Object,
    stored: dict[str, str],  # paths as written into the file that the mesh was made in
    absolute: dict[str, str],  # where they were then, and "folder" of what the mesh plays from
) -> dict[str, str]:
    """Where each of these files is: the first of the places it can be that has it, else where it
    was."""
    clip_before = absolute["clip"]
    clip = _first_there(_places_of(mesh, "clip", stored["clip"], absolute, ""))
    found = {"clip": clip or clip_before}
    for name in stored:
        if name != "clip" and stored[name]:
            there = _first_there(_places_of(mesh, name, stored[name], absolute, clip))
            found[name] = there or absolute[name]
    return {name: os.path.normpath(found[name]) if found.get(name) else "" for name in stored}


def _places_of(
    mesh: bpy.types.Object, name: str, stored: str, absolute: dict[str, str], clip: str
) -> Iterator[str]:
    """Where a file can be, the surest first."""
    base = _base_of(mesh, absolute)
    if not stored.startswith("//"):
        yield stored
    elif base:
        yield os.path.join(base, stored[2:])
    else:
        yield bpy.path.abspath(stored, library=mesh.library)
    yield absolute[name]
    basename = os.path.basename(absolute[name])
    if name == "clip":  # Blender finds missing files; of pictures it knows the first
        yield from (os.path.join(os.path.dirname(path), basename) for path in _shown_by(mesh))
    elif clip:  # as it lay from the clip, or beside that now
        before = os.path.dirname(absolute["clip"])
        yield os.path.join(os.path.dirname(clip), _relative(absolute[name], before))
        yield os.path.join(os.path.dirname(clip), basename)
    if positions := positions_of(mesh):  # what was fetched lies beside them
        yield os.path.join(os.path.dirname(positions), basename)
    for path in _chosen(mesh, name):
        if os.path.basename(path) == basename:
            yield path


def _first_there(paths: Iterator[str]) -> str:
    return next((path for path in paths if os.path.exists(path)), "")


def _relative(path: str, start: str) -> str:
    try:
        return os.path.relpath(path, start)
    except ValueError:  # another drive of Windows
        return os.path.basename(path)


def _base_of(mesh: bpy.types.Object, absolute: dict[str, str]) -> str:
    """The folder that stored paths are relative to. Blender keeps the path of the mesh's positions
    right when a file is saved elsewhere, linked or appended, so that tells."""
    positions, folder = positions_of(mesh), absolute.get("stored_folder", "")
    if not positions or not folder.startswith("//"):
        return ""
    now, inside = os.path.dirname(positions), os.path.normpath(folder[2:])
    if inside.startswith(".."):
        return ""  # from a folder's path alone it cannot be told what lay below its parent
    ending = os.sep + inside
    return now[: -len(ending)] if os.path.normcase(now).endswith(os.path.normcase(ending)) else ""


def positions_of(mesh: bpy.types.Object) -> str:
    """The absolute path of what a mesh's vertices play from; empty where there is none."""
    for modifier in mesh.modifiers:
        if modifier.type == "MESH_CACHE" and modifier.filepath:
            return os.path.normpath(bpy.path.abspath(modifier.filepath, library=mesh.library))
    return ""


def _shown_by(mesh: bpy.types.Object) -> Iterator[str]:
    """The files of the pictures on the mesh."""
    for material in mesh.data.materials:
        tree = material.node_tree if material is not None else None
        for node in tree.nodes if tree is not None else ():
            image = node.image if node.type == "TEX_IMAGE" else None
            if image is not None and image.filepath:
                yield os.path.normpath(bpy.path.abspath(image.filepath, library=image.library))


def _chosen(mesh: bpy.types.Object, name: str) -> Iterator[str]:
    """What the panels of the scenes that re-shoot this mesh say."""
    for scene in bpy.data.scenes:
        shot = scene.ex4d
        if shot.mesh == mesh and scene.library is None:
            path = {"clip": shot.clip, "depth": shot.depth.file}.get(name, "")
            if path:
                yield os.path.normpath(bpy.path.abspath(path))
