"""The cube, light and camera that every new file of Blender begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import bpy

__all__ = ["hide_start_cube", "is_start_object"]

_PLACES = {  # of Blender's own start file, from 2.80 on
    ("Cube", "MESH"): (0, 0, 0),
    ("Light", "LIGHT"): (4.0762, 1.0055, 5.9039),
    ("Camera", "CAMERA"): (7.3589, -6.9258, 4.9583),
}
_NEAR = 1e-3


def is_start_object(item: bpy.types.Object) -> bool:
    """Whether an object is as Blender's start file has it: nobody has done anything with it."""
    place = _PLACES.get((item.name, item.type))
    if place is None or item.library is not None:
        return False
    used = (
        item.animation_data,
        item.parent,
        item.children,
        item.constraints,
        item.modifiers,
        item.data.animation_data,
    )
    if any(used) or np.abs(np.subtract(item.location, place)).max() > _NEAR:
        return False
    return item.type != "MESH" or _is_start_cube(item)


def hide_start_cube(scene: bpy.types.Scene) -> None:
    """Hide the untouched cube of a new file, in views and renders: the clip's camera would stand
    inside of it. The artist may show it again."""
    for item in scene.objects:
        if item.type == "MESH" and is_start_object(item):
            item.hide_render = True
            for layer in scene.view_layers:
                if layer.objects.get(item.name) == item:
                    item.hide_set(True, view_layer=layer)


def _is_start_cube(item: bpy.types.Object) -> bool:
    """Whether a mesh is a cube of 2 m about its origin, not turned and not scaled."""
    matrix = np.array(item.matrix_basis)
    vertices = np.array([vertex.co for vertex in item.data.vertices])
    if vertices.shape != (8, 3) or np.abs(matrix - np.eye(4)).max() > _NEAR:
        return False
    return bool(np.abs(np.abs(vertices) - 1).max() < _NEAR)
