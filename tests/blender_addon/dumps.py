"""The open file as plain data, to see what an operation has changed."""

from __future__ import annotations

import warnings
from typing import Any

import bpy

_LEFT_OUT = {"rna_type", "bl_rna", "session_uid", "users", "id_data", "original", "preview"}
_LEFT_OUT |= {"tag", "is_evaluated", "depsgraph", "is_updated", "is_updated_data", "is_dirty"}
_LEFT_OUT |= {"users_collection", "users_scene", "all_objects", "objects_in_use", "pixels"}
_LEFT_OUT |= {"particle_edit", "override_library"}  # which Blender itself keeps up to date
_LEFT_OUT |= {"depth", "is_float", "has_data", "channels", "bindcode"}  # of images once loaded
if bpy.app.version < (4, 5, 0):
    _LEFT_OUT.add("tool_settings")  # 4.2 crashes when uv_sculpt's are read, or soon after
_KINDS = ("scenes", "objects", "cameras", "meshes", "collections", "actions", "materials")
_KINDS += ("node_groups", "images", "worlds", "armatures")
_known: dict[tuple[str, int], list[tuple[str, str]]] = {}  # by type
_MOST = 400  # of a list; of longer ones (vertices) the ends


def dump() -> dict[str, Any]:
    """{path: value} of every property of the open file's datablocks."""
    bpy.context.view_layer.update()
    found: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # properties that will go
        for kind in _KINDS:
            for block in getattr(bpy.data, kind):
                path = f"{kind}[{block.name}{'@' if block.library else ''}]"
                found[path] = block.as_pointer()
                _walk(block, path, found, ())
    return found


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """The paths that differ, came or went."""
    missing = object()  # other than any value, None among them
    keys = before.keys() | after.keys()
    return {path for path in keys if before.get(path, missing) != after.get(path, missing)}


def _walk(owner: Any, path: str, found: dict[str, Any], above: tuple[int, ...]) -> None:
    here = owner.as_pointer()
    if here in above and len(above) > 1:
        return
    for name, kind in _properties(owner):
        try:
            value = getattr(owner, name)
        except (AttributeError, RuntimeError):
            continue
        _note(kind, value, f"{path}.{name}", found, (*above, here))
    for key in owner.keys() if hasattr(owner, "keys") and isinstance(owner, bpy.types.ID) else ():
        if key in owner.bl_rna.properties:  # where 4.5 and older keep them
            continue
        found[f"{path}[{key!r}]"] = repr(_plain(owner[key]))


def _properties(owner: Any) -> list[tuple[str, str]]:
    """Name and kind of each of its type's properties but those left out: to ask for them takes
    longer than to read them, and a type keeps them, but for what add-ons bring and take."""
    rna = owner.bl_rna
    key = rna.identifier, len(rna.properties)
    if key not in _known:
        listed = ((prop.identifier, prop.type) for prop in rna.properties)
        _known[key] = [(name, kind) for name, kind in listed if name not in _LEFT_OUT]
    return _known[key]


def _note(kind: str, value: Any, path: str, found: dict, above: tuple[int, ...]) -> None:
    if kind == "COLLECTION":
        found[f"{path}#"] = count = len(value)
        ends = list(value) if count <= _MOST else [*value[:50], *value[-50:]]
        for key, item in zip(_keys(ends), ends, strict=True):
            _note_one(item, f"{path}[{key}]", found, above)
    elif kind == "POINTER":
        _note_one(value, path, found, above)
    else:
        found[path] = _plain(value)


def _keys(items: list) -> list[Any]:
    """The names of a list's items, where each has one of its own; their places otherwise."""
    names = [getattr(item, "name", None) for item in items]
    if not all(isinstance(name, str) and name for name in names):
        return list(range(len(items)))
    keys = [f"{n}{'@' * bool(getattr(i, 'library', 0))}" for n, i in zip(names, items, strict=True)]
    return keys if len(set(keys)) == len(keys) else list(range(len(items)))


def _note_one(item: Any, path: str, found: dict, above: tuple[int, ...]) -> None:
    embedded = isinstance(item, bpy.types.ID) and item.is_embedded_data
    if item is None or (isinstance(item, bpy.types.ID) and not embedded):
        found[path] = None if item is None else (type(item).__name__, item.name)
    elif len(above) < 9 and item.as_pointer() not in above:
        _walk(item, path, found, above)


def _plain(value: Any) -> Any:
    if isinstance(value, (bool, int, float, str)) or value is None:
        return value
    if isinstance(value, set):
        return sorted(value)
    if isinstance(value, bpy.types.ID):
        return (type(value).__name__, value.name)
    if hasattr(value, "to_dict"):
        return {key: repr(_plain(value[key])) for key in value.keys()}  # noqa: SIM118
    try:
        return [_plain(part) for part in value]
    except TypeError:
        return str(type(value))
