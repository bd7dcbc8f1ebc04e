"""What a scene's render settings say and takes do not follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import bpy

__all__ = ["ignored_note"]


def ignored_note(scene: bpy.types.Scene) -> str:
    """Which of the scene's settings takes leave aside, as a sentence; empty when there are none."""
    render = scene.render
    settings = {
        "the render region": render.use_border,
        "the preview range": scene.use_preview_range,
        "the time stretching": render.frame_map_old != render.frame_map_new,
        f"the frame step of {scene.frame_step}": scene.frame_step != 1,
    }
    found = [name for name, is_set in settings.items() if is_set]
    if not found:
        return ""
    names = " and ".join([", ".join(found[:-1]), found[-1]] if found[1:] else found)
    verb = "are" if found[1:] else "is"
    return (
        f"{names[0].upper()}{names[1:]} {verb} ignored: a take has whole pictures, one for each "
        "frame of the mesh."
    )
