"""What the windows' sequencers show of their strips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from ..compat import all_strips, scene_of_shown_strips, strip_range

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["show_new_strip"]

_LEAST_WIDTH_PX = 40


def show_new_strip(scene: bpy.types.Scene, strip: Any) -> None:
    """Let the sequencers that show a scene's strips show all of them where a new one would lie out
    of sight, as at frame 1001 of a file that was just made; where there are takes alone, also
    where it would be too small to be seen."""
    if bpy.app.background:
        return
    takes_alone = all("ex4d_job_id" in other for _, other in all_strips(scene))
    for window, area, region in _timelines(scene):
        if _is_seen(region, strip, _LEAST_WIDTH_PX if takes_alone else 0):
            continue
        with bpy.context.temp_override(window=window, area=area, region=region, scene=scene):
            if bpy.ops.sequencer.view_all.poll():
                bpy.ops.sequencer.view_all()


def _is_seen(region: bpy.types.Region, strip: Any, least_width_px: float) -> bool:
    """Whether all of a strip lies in a region, and is wide enough."""
    first, end = strip_range(strip)
    left, bottom = region.view2d.region_to_view(0, 0)
    right, top = region.view2d.region_to_view(region.width, region.height)
    width_px = region.width * (end - first) / max(right - left, 1e-6)
    inside = left <= first and end <= right and bottom <= strip.channel + 1 and strip.channel < top
    return inside and width_px >= least_width_px


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
