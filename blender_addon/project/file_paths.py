"""Every path of a file that the open .blend knows: Blender's own, the panel's, and what meshes and
takes remember as JSON."""

from __future__ import annotations

import json
import os.path
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal

import bpy

from ..compat import all_strips
from .moved_paths import panel_paths, set_unasked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["FilePath", "change_texts", "file_paths", "files_in_use", "place_in"]

_KINDS = ("images", "movieclips", "sounds", "volumes", "cache_files", "fonts")
_PATHS = {"FILE_PATH", "DIR_PATH"}  # Blender's subtypes
_JSON = ("ex4d_source", "ex4d_made_of")  # of a mesh


@dataclass(frozen=True)
class FilePath:
    """A path, and where it is written."""

    user: str  # name of what has it
    text: str  # as it is written there
    path: str  # absolute
    is_local: bool  # not linked from another file
    form: Literal["blender", "relative", "absolute"]  # who keeps it right: Blender, or we in a form
    replace: Callable[[str, str], None]  # what is written, by something else


def file_paths() -> Iterator[FilePath]:
    """All of them. None may be added or removed meanwhile; they may be written."""
    for kind in _KINDS:
        for item in getattr(bpy.data, kind):
            yield from _paths_of(item, item)
    for item in bpy.data.objects:
        for modifier in item.modifiers:
            yield from _paths_of(modifier, item)
        for key in _JSON:
            if isinstance(item.get(key), str):
                yield from _texts_of(item, item.get, item.__setitem__, key)
    for scene in bpy.data.scenes:
        for _, strip in all_strips(scene):
            yield from _paths_of(strip, scene, strip.name)
            if getattr(strip, "proxy", None) is not None:
                yield from _paths_of(strip.proxy, scene, strip.name)
        for take in scene.ex4d.takes:
            yield from _texts_of(scene, partial(getattr, take), partial(setattr, take), "request")
    for group, name in panel_paths():
        yield from _path(
            group.id_data, getattr(group, name), "relative", _writer(set_unasked, group, name)
        )


def files_in_use(folder: os.PathLike[str] | str) -> str:
    """The name of what in the open file uses something in a folder; empty when nothing does."""
    return next((found.user for found in file_paths() if place_in(found.path, folder)), "")


def place_in(path: str, folder: os.PathLike[str] | str) -> str:
    """Where in a folder a path leads, "." for the folder itself; empty when it leads elsewhere.
    Links to folders are followed, a link at its end is what it is: pictures may be linked."""
    head, tail = os.path.split(os.path.normpath(path))
    there = os.path.join(os.path.realpath(head), tail)
    try:
        inside = os.path.relpath(there, os.path.realpath(folder))
    except ValueError:  # another drive of Windows
        return ""
    return "" if inside.startswith("..") or os.path.isabs(inside) else inside


def change_texts(value: Any, change: Callable[[str], str]) -> Any:
    """A value of JSON with all its texts changed."""
    if isinstance(value, dict):
        return {key: change_texts(one, change) for key, one in value.items()}
    if isinstance(value, list):
        return [change_texts(one, change) for one in value]
    return change(value) if isinstance(value, str) else value


def _paths_of(struct: Any, owner: bpy.types.ID, user: str = "") -> Iterator[FilePath]:
    """What Blender itself takes for paths in something, and keeps right."""
    for name in _path_names(struct.__class__):
        write = _writer(setattr, struct, name)
        yield from _path(owner, getattr(struct, name), "blender", write, user)


@lru_cache  # there are thousands of objects, of few types
def _path_names(kind: type[bpy.types.bpy_struct]) -> tuple[str, ...]:
    """The properties of a type of Blender's that are paths."""
    return tuple(
        found.identifier
        for found in kind.bl_rna.properties
        if found.type == "STRING"
        and found.subtype in _PATHS
        and not found.is_readonly
        and not found.identifier.endswith("_raw")
    )


def _texts_of(
    owner: bpy.types.ID, read: Callable[[str], Any], write: Callable[[str, Any], None], key: str
) -> Iterator[FilePath]:
    """The paths in JSON: what a mesh was made of, what a take was asked for with."""
    try:
        value = json.loads(read(key))
    except ValueError:
        return  # who needs it says so
    made_of = value if key == "ex4d_made_of" and isinstance(value, dict) else {}
    stored = made_of.get("stored_folder")

    def replace(before: str, after: str) -> None:
        def change(text: str) -> str:
            return after if text == before else text

        write(key, json.dumps(change_texts(json.loads(read(key)), change)))

    for text in dict.fromkeys(_texts_in(value)):
        is_relative = key == "ex4d_source" or text == stored
        form: Literal["relative", "absolute"] = "relative" if is_relative else "absolute"
        yield from _path(owner, text, form, replace)


def _texts_in(value: Any) -> Iterator[str]:
    """Every text of a value of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts_in(one)


def _path(
    owner: bpy.types.ID,
    text: str,
    form: Literal["blender", "relative", "absolute"],
    replace: Callable[[str, str], None],
    user: str = "",
) -> Iterator[FilePath]:
    if text.startswith("//") or os.path.isabs(text):
        path = os.path.normpath(bpy.path.abspath(text, library=owner.library))
        yield FilePath(user or owner.name, text, path, owner.library is None, form, replace)


def _writer(set_: Callable[[Any, str, str], None], struct: Any, name: str) -> Any:
    return lambda before, after: set_(struct, name, after)
