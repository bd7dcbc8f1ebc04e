"""What is said of a video that is too large, or whose pictures are not simply what they seem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ex4d.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from ex4d.files.budget import Budget
    from ex4d.video.clip import VideoReading
    from ex4d.video.coding import Coding

__all__ = [
    "check_pixels",
    "counted_frames",
    "said_of_colors",
    "said_of_damage",
    "said_of_fields",
    "said_of_start",
]


def counted_frames(count: int) -> str:
    """`1 frame`, `2 frames`."""
    return f"{count} frame" if count == 1 else f"{count} frames"


def check_pixels(path: Path, n_frames: int, size: tuple[int, int], budget: Budget) -> None:
    """Refuse a clip that no memory could hold, before it is decoded (M8). Raises UsageError."""
    if n_frames * size[0] * size[1] > budget.clip_pixels:
        raise UsageError(
            f"{counted_frames(n_frames)} of {size[0]} x {size[1]} from {path} are more than the "
            f"{budget.clip_pixels} pixels that a clip may have: choose fewer or a smaller size"
        )


def said_of_colors(path: Path, coding: Coding, reading: VideoReading) -> list[str]:
    """Sentences for colours that are not shown as they are stored, or that are guessed."""
    said = []
    if coding.is_hdr and reading.hdr == "keep":
        said.append(
            f"{path} is {coding.transfer.value}: its code values are kept as they are and will "
            "look flat and dark"
        )
    elif coding.is_hdr:
        said.append(
            f"{path} is {coding.transfer.value}: it is tone mapped to sRGB (BT.2390, white at "
            "203 of 1000 cd/m2); hdr keep leaves its code values alone"
        )
    if coding.is_mistagged:
        said.append(
            f"{path} tags its colours with a matrix that they cannot have: {coding.matrix} is taken"
        )
    return said


def said_of_damage(path: Path, n_corrupt: int) -> str:
    """A sentence for pictures that lack a part; empty if there are none."""
    if not n_corrupt:
        return ""
    pictures = "1 picture" if n_corrupt == 1 else f"{n_corrupt} pictures"
    return (
        f"{path} lacks a part of {pictures}: what follows may look broken until the next key frame"
    )


def said_of_fields(path: Path, n_interlaced: int, reading: VideoReading) -> str:
    """A sentence for interlaced frames; empty if there are none."""
    if not n_interlaced:
        said = f"{path} is deinterlaced, though it is not marked as interlaced"
        return said if reading.deinterlace else ""
    if reading.deinterlace:
        return f"{path} is interlaced: it is deinterlaced, a frame for each pair of fields"
    return (
        f"{path} is interlaced: its frames hold two moments in alternate lines, which are kept; "
        "deinterlace makes one of them"
    )


def said_of_start(path: Path, n_lost: int) -> str:
    """A sentence for frames that cannot be decoded at a file's beginning; empty if there are
    none."""
    if not n_lost:
        return ""
    frames = "1 picture" if n_lost == 1 else f"{n_lost} pictures"
    return (
        f"{path} begins between two key frames: its first {frames} cannot be decoded, frame 0 is "
        "the first that can"
    )
