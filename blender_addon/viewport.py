"""How the 3D views show the mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["show_shot", "shows_texture"]


def show_shot(scene: bpy.types.Scene) -> None:
    """Let the 3D views that show a scene draw the clip on the mesh, and look through the scene's
    camera."""
    for space in _views_of(scene):
        shading = space.shading
        if shading.type == "WIREFRAME":
            shading.type = "SOLID"
        shading.light, shading.color_type = "FLAT", "TEXTURE"
        space.region_3d.view_perspective = "CAMERA"


def shows_texture(space: bpy.types.SpaceView3D) -> bool:
    """Whether a 3D view draws the clip on the mesh, rather than a grey shape."""
    shading = space.shading
    if shading.type == "SOLID":
        return bool(shading.color_type == "TEXTURE")
    return shading.type != "WIREFRAME"


def _views_of(scene: bpy.types.Scene) -> Iterator[bpy.types.SpaceView3D]:
    for window in bpy.context.window_manager.windows:
        if window.scene == scene:
            for area in window.screen.areas:
                if area.type == "VIEW_3D":
                    yield area.spaces.active
