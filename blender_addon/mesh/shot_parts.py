"""Which objects of a scene Reconstruct made, by the scene's own references.

A copy of an object inherits its name and its custom properties, but not the scene's reference; a
full copy of a scene refers to its own copies. So what an artist copied is never taken for ours.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import bpy

from ..words import fitting_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "TAG",
    "ShotParts",
    "new_part",
    "parts_named",
    "parts_of",
    "remember_parts",
    "users_of",
]

TAG = "ex4d_part"  # on what was made, as what; copies inherit it
_PARTS = "ex4d_parts"  # of a scene: {key: {"name": ..., "mesh": object, ...}}
_NAMES = ("mesh", "source_camera", "shot_camera", "collection")


@dataclass(frozen=True)
class ShotParts:
    """What a scene has of one reconstruction; None: removed, or shared with another scene."""

    name: str
    mesh: bpy.types.Object
    source_camera: bpy.types.Object | None = None
    shot_camera: bpy.types.Object | None = None
    collection: bpy.types.Collection | None = None


def parts_of(scene: bpy.types.Scene) -> Iterator[ShotParts]:
    """The reconstructions that are the scene's own: no other scene shows them."""
    entries = scene.get(_PARTS)
    if entries is None:
        yield from _older(scene)
        return
    for entry in entries.values():
        mesh = entry.get("mesh")
        if _is_own(mesh, scene):
            source_camera, shot_camera, collection = (entry.get(name) for name in _NAMES[1:])
            yield ShotParts(
                entry["name"],
                mesh,
                source_camera if _is_own(source_camera, scene) else None,
                shot_camera if _is_own(shot_camera, scene) else None,
                collection if _holds(collection, scene) else None,
            )


def parts_named(scene: bpy.types.Scene, name: str) -> ShotParts | None:
    """The scene's own reconstruction of a name."""
    return next((parts for parts in parts_of(scene) if parts.name == name), None)


def remember_parts(scene: bpy.types.Scene, parts: ShotParts) -> None:
    """Note what a reconstruction consists of, in place of what was noted of its mesh."""
    known = list(parts_of(scene)) if _PARTS not in scene else []
    if _PARTS not in scene:
        scene[_PARTS] = {}
    for one in (*known, parts):
        entries = scene[_PARTS]
        gone = [key for key, entry in entries.items() if _is_stale(entry, one.mesh, scene)]
        for key in gone:
            del entries[key]
        given = {name: getattr(one, name) for name in _NAMES}
        kept = {name: value for name, value in given.items() if value is not None}
        entries[uuid.uuid4().hex] = {"name": one.name, **kept}


def new_part(part: str, name: str, collection: Any, *arguments: Any) -> Any:
    """Make the datablock that plays a part in a shot, named and tagged by it."""
    words = {"collection": "", "mesh": " Mesh", "object": " Mesh"}.get(part, f" {part.title()}")
    datablock = collection.new(fitting_name(f"EX-4D {name}", words), *arguments)
    datablock[TAG] = f"{part}:{name}"
    return datablock


def users_of(datablock: bpy.types.ID) -> int:
    """How often something is used; to be kept without use is none."""
    return int(datablock.users) - int(datablock.use_fake_user)


def _is_stale(entry: Mapping[str, Any], mesh: bpy.types.Object, scene: bpy.types.Scene) -> bool:
    noted = entry.get("mesh")
    return noted is None or noted == mesh or noted not in set(scene.objects)


def _is_own(item: bpy.types.Object | None, scene: bpy.types.Scene) -> bool:
    """Whether it can be changed, and no other scene changes with it."""
    if item is None or item.library is not None or item.override_library is not None:
        return False
    return set(item.users_scene) == {scene}


def _holds(collection: bpy.types.Collection | None, scene: bpy.types.Scene) -> bool:
    """Whether a collection is the scene's, and no other's."""
    if collection is None or collection.library is not None:
        return False
    having = [s for s in bpy.data.scenes if collection in set(s.collection.children_recursive)]
    return having == [scene]


def _older(scene: bpy.types.Scene) -> Iterator[ShotParts]:
    """Of files without references, and of what was appended: by tags, where those are unique."""
    for mesh in scene.objects:
        name = mesh.get("ex4d_name")
        if name is None or not _is_own(mesh, scene):
            continue
        if _tagged(scene, f"object:{name}") != mesh:
            continue
        yield ShotParts(
            name,
            mesh,
            _tagged(scene, f"source camera:{name}"),
            _tagged(scene, f"shot camera:{name}"),
            next((c for c in mesh.users_collection if c.get(TAG) and _holds(c, scene)), None),
        )


def _tagged(scene: bpy.types.Scene, tag: str) -> bpy.types.Object | None:
    found = [item for item in scene.objects if item.get(TAG) == tag]
    return found[0] if len(found) == 1 and _is_own(found[0], scene) else None
