"""How many pictures a decoder shows of a video file, as its container lists them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from .avi import count_chunks, is_avi
from .matroska import count_blocks, is_matroska
from .quicktime_samples import count_samples

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["count_frames"]


def count_frames(path: Path) -> int:
    """Pictures of the first video track; 0 where the file does not tell them one by one, as
    broadcasts do not, or cannot be read. Nothing is decoded."""
    try:
        with open(path, "rb") as file:
            if is_matroska(file):
                return count_blocks(file)
            return count_chunks(file) if is_avi(file) else count_samples(file)
    except (OSError, struct.error):
        return 0
