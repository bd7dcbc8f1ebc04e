"""The files that a mesh is shown from and rendered with, and which of them are missing.

Blender says nothing of a missing one: the mesh stands still, or is one colour as holes are.
"""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING

import bpy

from ..errors import SettingsError
from .clip_source import mesh_source

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["missing_shown", "why_no_source"]


def missing_shown(mesh: bpy.types.Object) -> str:
    """The files that are missing of those that the mesh plays from, as a sentence, or nothing."""
    missing = sorted({path for path in _shown(mesh) if not os.path.exists(path)})
    if not missing:
        return ""
    names = ", ".join(os.path.basename(path) for path in missing[:3])
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    return (
        f"The mesh lacks {names}{more} of {os.path.dirname(missing[0])}: find them "
        "(File > External Data), or reconstruct again."
    )


def why_no_source(mesh: bpy.types.Object) -> str:
    """Which file is missing of those that a take is rendered with, as a sentence, or nothing."""
    try:
        source = mesh_source(mesh)
    except SettingsError as error:
        return str(error)
    for what, path in (
        ("clip", source.clip),
        ("depth", source.depth),
        ("solved camera's path", source.solved_camera),
    ):
        if path and not os.path.exists(path):
            return (
                f"The mesh's {what} is missing: {path}. Put it back, find it (File > External "
                "Data), or choose where it is now as the clip."
            )
    return ""


def _shown(mesh: bpy.types.Object) -> Iterator[str]:
    """The absolute paths of positions, holes and picture."""
    for modifier in mesh.modifiers:
        if modifier.type == "MESH_CACHE" and modifier.filepath:
            yield bpy.path.abspath(modifier.filepath, library=mesh.library)
        if modifier.type == "NODES" and modifier.node_group is not None:
            for node in modifier.node_group.nodes:
                if node.type == "IMAGE_TEXTURE":
                    yield from _image_path(node.inputs["Image"].default_value)
    for material in mesh.data.materials:
        for node in material.node_tree.nodes if material and material.node_tree else ():
            if node.type == "TEX_IMAGE":
                yield from _image_path(node.image)


def _image_path(image: bpy.types.Image | None) -> Iterator[str]:
    if image is not None and image.packed_file is None and image.filepath:
        yield bpy.path.abspath(image.filepath, library=image.library)
