"""How clips, takes and paths are called in the panel, what tells them apart first."""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING

from .readiness import ENGINES

if TYPE_CHECKING:
    from .properties import Ex4dShot, Ex4dTake

__all__ = ["amount_words", "clip_words", "quality_of", "take_words"]


def take_words(take: Ex4dTake) -> str:
    """The number of a take, its quality and how much of it the clip saw: 011 · Draft · 77 %."""
    folder = os.path.basename(take.folder.replace("\\", "/").rstrip("/"))
    number = folder.rpartition("_")[2]
    seen = f"{take.coverage:.0%}".replace("%", " %")
    return " · ".join(part for part in (number, quality_of(take), seen) if part)


def quality_of(take: Ex4dTake) -> str:
    """What the panel calls the engine of a take."""
    names = {engine: quality.title() for quality, engine in ENGINES.items()}
    return names.get(take.engine, take.engine)


def clip_words(shot: Ex4dShot) -> str:
    """What is known of the clip: 1920x1080 · 23.976 fps · 240 frames."""
    width, height = shot.clip_size
    frames = f"{shot.clip_frames} frames"
    if shot.is_sequence:
        last = shot.clip_first + shot.clip_frames - 1
        frames = f"{shot.clip_frames} pictures, {shot.clip_first} to {last}"
    size = f"{width}x{height}" if width else ""  # of a file that an older version saved
    rate = f"{shot.clip_rate:.5g} fps" if shot.clip_rate else ""
    return " · ".join(part for part in (size, rate, frames) if part)


def amount_words(shot: Ex4dShot) -> str:
    """The path's amount with what it is multiplied with."""
    if shot.preset.isdecimal():
        return f"Amount (x {shot.preset}°)" if shot.preset != "180" else "Amount (x 360°)"
    return "Amount (x half way)"
