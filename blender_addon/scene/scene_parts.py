"""What a scene that holds work may take from a clip: rate, range, size, colours, each by itself.

What is asked names both numbers: what the scene has and what it would get.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import bpy

    from ..jobs.reconstruction import Reconstruction
    from .properties import Ex4dShot

__all__ = ["PARTS", "part_texts", "set_scene_parts"]

_NAMES = {"rate": "Rate (fps)", "range": "Range", "size": "Size", "colors": "Colours"}
PARTS = tuple(_NAMES)
_SHOWS_PLATE = "Standard"


def set_scene_parts(
    scene: bpy.types.Scene,
    reconstruction: Reconstruction,
    first_frame: int,
    parts: Iterable[str] = PARTS,
) -> None:
    """Give a scene the clip's frame rate, its range, its size in square pixels, and colours that
    show it unchanged; or some of these."""
    render = scene.render
    for part in parts:
        if part == "rate":
            whole = max(1, round(reconstruction.fps))
            render.fps, render.fps_base = whole, float(whole / reconstruction.fps)
        elif part == "range":
            scene.frame_start = first_frame
            scene.frame_end = first_frame + reconstruction.n_frames - 1
        elif part == "size":
            render.resolution_x, render.resolution_y = reconstruction.size
            render.resolution_percentage = 100
            render.pixel_aspect_x = render.pixel_aspect_y = 1
        elif part == "colors":
            scene.view_settings.view_transform = _SHOWS_PLATE


def part_texts(scene: bpy.types.Scene, shot: Ex4dShot, first_frame: int) -> dict[str, str]:
    """What each part that differs would be and is now, as the question shows it."""
    render, (width, height) = scene.render, shot.clip_size
    rate = shot.fps if shot.is_sequence else shot.clip_rate / shot.stride
    last = first_frame + shot.num_frames - 1
    of_clip_and_now = {
        "rate": (f"{rate:.5g}" if rate else "the clip's", f"{render.fps / render.fps_base:.5g}"),
        "range": (f"{first_frame} to {last}", f"{scene.frame_start} to {scene.frame_end}"),
        "size": (f"{width}x{height}", f"{render.resolution_x}x{render.resolution_y}"),
        "colors": (_SHOWS_PLATE, scene.view_settings.view_transform),
    }
    return {
        part: f"{_NAMES[part]}: {clips}, now {now}"
        for part, (clips, now) in of_clip_and_now.items()
        if clips != now
    }
