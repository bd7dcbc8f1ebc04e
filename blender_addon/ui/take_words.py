"""How clips, takes and paths are called in the panel, what tells them apart first."""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING

from ...ex4d.files.picture_names import is_picture
from ..jobs.requests import ENGINES

if TYPE_CHECKING:
    from ..scene.depth_properties import Ex4dDepth
    from ..scene.properties import Ex4dShot, Ex4dTake

__all__ = ["amount_words", "clip_words", "depth_words", "quality_of", "take_words"]


def take_words(take: Ex4dTake) -> str:
    """The number of a take, its quality and how much of it the clip saw: 011 · Draft · 77 %."""
    number = _name_of(take.folder).rpartition("_")[2]
    seen = f"{take.coverage:.0%}".replace("%", " %")
    return " · ".join(part for part in (number, quality_of(take), seen) if part)


def quality_of(take: Ex4dTake) -> str:
    """What the panel calls the quality of a take."""
    if take.quality:
        return str(take.quality).title()
    names = {engine: quality.title() for quality, engine in ENGINES.items()}
    return names.get(take.engine, take.engine)


def clip_words(shot: Ex4dShot) -> str:
    """What is known of the clip: plate.mp4 · 1920x1080 · 23.976 fps · 240 frames."""
    width, height = shot.clip_size
    frames = f"{shot.clip_frames} frames"
    if shot.is_sequence:
        last = shot.clip_first + shot.clip_frames - 1
        frames = f"{shot.clip_frames} pictures, {shot.clip_first} to {last}"
    size = f"{width}x{height}" if width else ""  # of a file that an older version saved
    rate = f"{shot.clip_rate:.5g} fps" if shot.clip_rate else ""
    return " · ".join(part for part in (_name_of(shot.clip), size, rate, frames) if part)


def depth_words(depth: Ex4dDepth) -> str:
    """What is known of the depth file: depth.npz · 960x540 · 240 frames."""
    width, height = depth.size
    size = f"{width}x{height}" if width else ""  # of a file that an older version saved
    unit = "pictures" if is_picture(depth.file) else "frames"
    frames = f"{depth.n_frames} {unit}" if depth.n_frames else ""
    return " · ".join(part for part in (_name_of(depth.file), size, frames) if part)


def _name_of(path: str) -> str:
    return os.path.basename(path.replace("\\", "/").rstrip("/"))


def amount_words(shot: Ex4dShot) -> str:
    """The path's amount with what it is multiplied with."""
    if shot.preset.isdecimal():
        return f"Amount (x {shot.preset}°)" if shot.preset != "180" else "Amount (x 360°)"
    return "Amount (x half way)"
