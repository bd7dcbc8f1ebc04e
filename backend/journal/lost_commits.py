"""What SQLite does not say of a write-ahead log: it drops all after the first damaged frame."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["lost_commits"]

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_MAGIC = 0x377F0682  # the last bit: checksums of big-endian words


def lost_commits(path: Path) -> int:
    """How many commits lie behind the first damaged frame of a log; 0 for a sound one.

    Frames with another salt are what an earlier round of the log has left, and no loss.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return 0
    with file:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return 0
        magic, _, page_size, _, *salt, first, second = _HEADER.unpack(header)
        order = ">" if magic & 1 else "<"
        if magic & ~1 != _MAGIC or _sum(header[:24], order, (0, 0)) != (first, second):
            return 1 if path.stat().st_size > _HEADER.size else 0
        running, is_sound, lost = (first, second), True, 0
        while len(frame := file.read(_FRAME.size + page_size)) == _FRAME.size + page_size:
            _, commit, *frame_salt, one, two = _FRAME.unpack(frame[: _FRAME.size])
            if frame_salt != salt:
                is_sound = False
                continue
            if is_sound:
                running = _sum(frame[:8], order, running)
                running = _sum(frame[_FRAME.size :], order, running)
                is_sound = running == (one, two)
            if not is_sound and commit:
                lost += 1
        return lost


def _sum(data: bytes, order: str, begin: tuple[int, int]) -> tuple[int, int]:
    first, second = begin
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
