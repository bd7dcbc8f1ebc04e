"""What the windows' sequencers show of their strips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from .compat import scene_of_shown_strips, strip_range

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["show_new_strip"]


def show_new_strip(scene: bpy.types.Scene, strip: Any) -> None:
    """Let the sequencers that show a scene's strips show all of them where a new one would lie out
    of sight, as at frame 1001 of a file that was just made."""
    if bpy.app.background:
        return
    first, end = strip_range(strip)
    for window, area, region in _timelines(scene):
        view = region.view2d
        left, bottom = view.region_to_view(0, 0)
        right, top = view.region_to_view(region.width, region.height)
        if first < right and left < end and bottom < strip.channel + 1 and strip.channel < top:
            continue
        with bpy.context.temp_override(window=window, area=area, region=region, scene=scene):
            if bpy.ops.sequencer.view_all.poll():
                bpy.ops.sequencer.view_all()


def _timelines(
    scene: bpy.types.Scene,
) -> Iterator[tuple[bpy.types.Window, bpy.types.Area, bpy.types.Region]]:
    for window in bpy.context.window_manager.windows:
        if scene_of_shown_strips(window) != scene:
            continue
        for area in window.screen.areas:
            if area.type == "SEQUENCE_EDITOR" and area.spaces.active.view_type != "PREVIEW":
                for region in area.regions:
                    if region.type == "WINDOW":
                        yield window, area, region
