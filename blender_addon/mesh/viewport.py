"""How the 3D views show the mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["look_through", "looks_through", "show_shot", "shows_texture"]


def show_shot(scene: bpy.types.Scene) -> None:
    """Let the 3D views that show a scene draw the clip on the mesh, and look through the scene's
    camera, with the whole picture in sight."""
    for window, area in _views_of(scene):
        space = area.spaces.active
        shading = space.shading
        if shading.type == "WIREFRAME":
            shading.type = "SOLID"
        shading.light, shading.color_type = "FLAT", "TEXTURE"
        space.use_local_camera = False
        _look(window, area)


def look_through(scene: bpy.types.Scene, camera: bpy.types.Object) -> None:
    """Let the 3D views that show a scene look through a camera; the scene's own camera, which it
    renders, stays what it is."""
    for window, area in _views_of(scene):
        space = area.spaces.active
        space.use_local_camera = camera != scene.camera
        if space.use_local_camera:
            space.camera = camera
        _look(window, area)


def looks_through(space: bpy.types.SpaceView3D, camera: bpy.types.Object | None) -> bool:
    """Whether a 3D view looks through a camera."""
    return bool(space.region_3d.view_perspective == "CAMERA" and space.camera == camera)


def shows_texture(space: bpy.types.SpaceView3D) -> bool:
    """Whether a 3D view draws the clip on the mesh, rather than a grey shape."""
    shading = space.shading
    if shading.type == "SOLID":
        return bool(shading.color_type == "TEXTURE")
    return shading.type != "WIREFRAME"


def _look(window: bpy.types.Window, area: bpy.types.Area) -> None:
    """Look through the camera of a 3D view, and see all of its picture."""
    area.spaces.active.region_3d.view_perspective = "CAMERA"
    region = next((region for region in area.regions if region.type == "WINDOW"), None)
    if bpy.app.background or region is None:
        return
    with bpy.context.temp_override(window=window, area=area, region=region):
        if bpy.ops.view3d.view_center_camera.poll():
            bpy.ops.view3d.view_center_camera()


def _views_of(scene: bpy.types.Scene) -> Iterator[tuple[bpy.types.Window, bpy.types.Area]]:
    for window in bpy.context.window_manager.windows:
        if window.scene == scene:
            for area in window.screen.areas:
                if area.type == "VIEW_3D":
                    yield window, area
