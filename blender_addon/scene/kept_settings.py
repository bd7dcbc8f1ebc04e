"""What the panel keeps of the clip before, when another is chosen, and what it offers instead."""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING

import bpy

if TYPE_CHECKING:
    from .properties import Ex4dShot

__all__ = ["depth_beside", "kept_depth", "kept_solved_camera", "note_other_clip"]


def note_other_clip(settings: Ex4dShot) -> None:
    """Take note that depth and solved camera were chosen for another clip than is chosen now."""
    before, now = settings.clip_before, settings.clip
    if before and now and bpy.path.abspath(before) != bpy.path.abspath(now):
        settings.depth.is_kept = bool(settings.depth.file)
        settings.solved_is_kept = settings.solved_camera is not None
    settings.clip_before = now


def kept_depth(settings: Ex4dShot) -> str:
    """That the depth file is that of the clip before, as a sentence, or nothing."""
    if not settings.depth.is_kept or settings.depth.kind != "FILE":
        return ""
    return "This depth was chosen for another clip: choose this one's, if it is not."


def kept_solved_camera(settings: Ex4dShot) -> str:
    """That the solved camera is that of the clip before, as a sentence, or nothing."""
    if not settings.solved_is_kept:
        return ""
    return (
        f"The solved camera {settings.solved_camera.name!r} was chosen for another clip: "
        "choose this one's, or none."
    )


def depth_beside(settings: Ex4dShot) -> str:
    """A depth file that lies beside the clip and is not chosen yet: its path, or nothing."""
    clip = bpy.path.abspath(settings.clip)
    if not clip:
        return ""
    folder, stem = os.path.dirname(clip), os.path.splitext(os.path.basename(clip))[0]
    for name in (f"{stem}.npz", f"{stem}_depth.npz", f"{stem}.depth.npz", "depth.npz"):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            chosen = bpy.path.abspath(settings.depth.file)
            is_chosen = bool(chosen) and os.path.normpath(chosen) == os.path.normpath(path)
            return "" if is_chosen else path
    return ""
