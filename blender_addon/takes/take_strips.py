"""The strips of takes: which they are, which is seen, and those of their conditions.

A strip tells its take by the job that made it, also when it was copied, moved, cut, or lies inside
a meta strip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from ..compat import all_strips, strip_content_start, strip_range
from ..errors import AddonError
from ..words import fitting_name
from .strip_insertion import Take, insert_take

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..scene.properties import Ex4dTake

__all__ = [
    "conditions_shown",
    "hide_conditions",
    "remove_strips",
    "show_conditions",
    "show_take",
]

_CONDITIONS = {"color.mp4": "colour", "mask.mp4": "mask"}


def show_take(scene: bpy.types.Scene, take: Ex4dTake) -> None:
    """Let a scene's sequencer show a take: its strips are heard, selected and active; strips of
    other takes that hide them are muted. Strips that are no takes stay as they are."""
    strips = [strip for _, strip in all_strips(scene) if "ex4d_job_id" in strip]
    own = [strip for strip in strips if strip["ex4d_job_id"] == take.job_id]
    for strip in strips:
        strip.select = False
        if strip not in own and any(_hides(strip, mine) for mine in own):
            strip.mute = True
    for strip in own:
        strip.mute, strip.select = False, True
    top = [strip for strip in own if strip.parent_meta() is None and "ex4d_condition" not in strip]
    if top:
        scene.sequence_editor.active_strip = top[0]


def conditions_shown(take: Ex4dTake) -> bool:
    """Whether the take's conditions are strips now."""
    return any("ex4d_condition" in strip for _, _, strip in _strips_of(take))


def show_conditions(take: Ex4dTake, folder: Path, seed: int) -> None:
    """Put colour and mask as strips over the take's own, wherever that lies now. Raises AddonError
    when it is gone."""
    own = [(scene, strip) for scene, _, strip in _strips_of(take) if "ex4d_condition" not in strip]
    if not own:
        raise AddonError(f"{take.name} has no strip any more: take it in again from {folder}.")
    scene, below = own[0]
    frame_start = strip_content_start(below)  # also where its beginning was cut off
    for file, word in _CONDITIONS.items():
        given = Take(
            folder / file, fitting_name(take.name, f" {word}"), take.job_id, seed, take.engine
        )
        below = insert_take(scene, given, frame_start, over=below).strip
        below["ex4d_condition"] = word


def hide_conditions(take: Ex4dTake) -> None:
    """Take these strips away again; the files stay."""
    for _, holder, strip in _strips_of(take):
        if "ex4d_condition" in strip:
            holder.remove(strip)


def remove_strips(take: Ex4dTake, *, keep_in: Sequence[bpy.types.Scene] = ()) -> None:
    """Remove all strips of a take that are this file's own, but those in some scenes."""
    for scene, holder, strip in _strips_of(take):
        if scene.library is None and scene not in keep_in:
            holder.remove(strip)


def _hides(strip: Any, other: Any) -> bool:
    """Whether a strip lies above another at the same time, in the same sequencer or meta strip."""
    (first, end), (other_first, other_end) = strip_range(strip), strip_range(other)
    beside = strip.parent_meta() == other.parent_meta()
    return beside and strip.channel > other.channel and first < other_end and other_first < end


def _strips_of(take: Ex4dTake) -> list[tuple[bpy.types.Scene, Any, Any]]:
    return [
        (scene, holder, strip)
        for scene in bpy.data.scenes
        for holder, strip in all_strips(scene)
        if strip.get("ex4d_job_id") == take.job_id
    ]
