"""The materials of the mesh: ours are set anew, an artist's stay and show the new clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy

from .made_state import is_as_made, note_as_made, tree_state
from .shot_parts import TAG, users_of
from .source_frames import copy_shown_frames

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["movie_of", "put_materials", "replaceable_material"]


def replaceable_material(root: bpy.types.Object, place: int) -> bpy.types.Material | None:
    """The material of a slot if it is ours, as we made it, and of this mesh alone."""
    materials = root.data.materials
    material = materials[place] if place < len(materials) else None
    if material is None or material.get(TAG) is None or material.library is not None:
        return None
    is_ours = users_of(material) == 1 and is_as_made(material, tree_state(material.node_tree))
    return material if is_ours else None


def movie_of(*materials: bpy.types.Material | None) -> bpy.types.Image | None:
    """The clip that these show, if nothing else shows it."""
    textures = [node for material in materials if material for node in _textures(material)]
    images = {node.image for node in textures if node.image is not None}
    if len(images) != 1 or users_of(image := images.pop()) > len(textures):
        return None
    return image if image.library is None and image.get(TAG) is not None else None


def put_materials(root: bpy.types.Object, made: tuple[bpy.types.Material, ...]) -> None:
    """Put materials into the mesh's first slots; where an artist's is, that one stays and gets the
    clip of ours."""
    slots = root.data.materials
    for place, material in enumerate(made):
        note_as_made(material, tree_state(material.node_tree))
        there = slots[place] if place < len(slots) else None
        if place >= len(slots):
            slots.append(material)
        elif there is None or (there.get(TAG) and _is_unedited(there)):
            slots[place] = material
        else:
            _show_clip(there, material)
            bpy.data.materials.remove(material)


def _is_unedited(material: bpy.types.Material) -> bool:
    return material.node_tree is not None and is_as_made(material, tree_state(material.node_tree))


def _show_clip(theirs: bpy.types.Material, ours: bpy.types.Material) -> None:
    """Let an artist's material show the frames that ours would show."""
    own = next(_textures(ours), None)
    if own is None or theirs.library is not None:
        return
    for node in _textures(theirs):
        if node.image is None or not str(node.image.get(TAG, "")).startswith("movie:"):
            continue
        node.image = own.image
        copy_shown_frames(own, node)


def _textures(material: bpy.types.Material) -> Iterator[bpy.types.Node]:
    if material.node_tree is not None:
        yield from (node for node in material.node_tree.nodes if node.type == "TEX_IMAGE")
