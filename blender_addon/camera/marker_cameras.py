"""The cameras that are bound to a scene's timeline markers: Blender's render switches to each at
its frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import bpy

__all__ = ["bound_cameras", "follows_markers", "marker_camera", "marker_note"]


def bound_cameras(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """The cameras that a render of the scene switches to, in the order of their markers."""
    found: list[bpy.types.Object] = []
    for marker in sorted(_bound_markers(scene), key=lambda marker: marker.frame):
        if marker.camera not in found:
            found.append(marker.camera)
    return found


def marker_camera(scene: bpy.types.Scene) -> bpy.types.Object | None:
    """The camera that a render of the scene's current frame uses because of markers: the last
    one's, and before the first marker already the first one's. None: no marker has a camera."""
    now = int(scene.frame_current_final)
    before = [marker for marker in _bound_markers(scene) if marker.frame <= now]
    if before:
        return max(before, key=lambda marker: marker.frame).camera  # the first of equals, as there
    first = min(_bound_markers(scene), key=lambda marker: marker.frame, default=None)
    return first.camera if first is not None else None


def follows_markers(scene: bpy.types.Scene, camera: bpy.types.Object | None) -> bool:
    """Whether a take with this camera goes from camera to camera as the scene's render does: where
    the camera is one of those that markers switch between. Any other was chosen against them."""
    return camera is not None and camera in bound_cameras(scene)


def marker_note(scene: bpy.types.Scene, camera: bpy.types.Object | None) -> str:
    """Which cameras a take is shot with, where markers would switch them; else empty."""
    bound = bound_cameras(scene)
    if camera is None or bound in ([], [camera]):
        return ""
    if camera in bound:
        return f"Markers switch cameras, as in renders: {', '.join(item.name for item in bound)}."
    return f"Takes are shot with {camera.name} alone; markers switch others in renders."


def _bound_markers(scene: bpy.types.Scene) -> list[bpy.types.TimelineMarker]:
    """Those that count: Blender passes over cameras that are hidden in renders."""
    return [m for m in scene.timeline_markers if m.camera and not m.camera.hide_render]
