"""Whether a library ran out of memory, each says it in its own way, and what would have fitted."""

from __future__ import annotations

import mmap
import re
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ex4d.errors import TooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["has_room", "is_lack_of_memory", "lack_in_words", "telling_what_fits"]

_WORDS = (
    *("out of memory", "cannot allocate memory", "can't allocate memory", "unable to allocate"),
    *("insufficient memory", "bad_alloc", "bad allocation", "can't start new thread"),
)
_USED = 0.8  # of what is free: memory has holes, and libraries take some
_ROOM_BYTES = 1 << 30  # more than any picture within the limits takes
_STEP = 16  # sides are rounded to it


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether `error` says so: Python's and NumPy's own, PyTorch's, OpenCV's, FFmpeg's."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = f"{type(error).__name__}: {error}".lower()
    return any(words in text for words in _WORDS)


def has_room() -> bool:
    """Whether memory for a picture is there: a library that got none has asked for what a file says
    and nothing can have. None of it is touched."""
    try:
        mmap.mmap(-1, _ROOM_BYTES).close()
    except (OSError, MemoryError):
        return False
    return True


def lack_in_words(error: BaseException, fits: str = "") -> str:
    """One sentence for the user, with how much was asked for where NumPy tells."""
    asked = re.match(r"Unable to allocate ([\d.]+?)\.? (\w+) for an array", str(error))
    more = f" ({asked[1]} {asked[2]} more were asked for)" if asked else ""
    return f"there was not enough memory{more}: {fits}choose fewer frames or a smaller size"


@contextmanager
def telling_what_fits(
    n_frames: int,
    size: tuple[int, int],  # (W, H)
    *,
    kept: int,  # bytes for each pixel of all frames
    worked_on: int,  # bytes for each pixel of the frames that are under way
) -> Iterator[None]:
    """Turn a lack of memory, while so many frames are made, into a TooLargeError that says how many
    would fit, or at which size."""
    free = _free_bytes()
    try:
        yield
    except Exception as error:
        if not is_lack_of_memory(error):
            raise
        fits = "" if free is None else _fits(n_frames, size, kept, worked_on, int(free * _USED))
        raise TooLargeError(lack_in_words(error, fits)) from error


def _fits(n_frames: int, size: tuple[int, int], kept: int, worked_on: int, free: int) -> str:
    width, height = size
    most = (free - worked_on * width * height) // (kept * width * height)
    scale = min(1.0, (free / ((n_frames * kept + worked_on) * width * height)) ** 0.5)
    small = [max(_STEP, int(side * scale) // _STEP * _STEP) for side in size]
    ways = [f"{most} frames of {width}x{height}"] if 1 < most < n_frames else []
    ways += [f"{n_frames} frames of {small[0]}x{small[1]}"] if scale < 1 else []
    return f"about {' or '.join(ways)} would fit; " if ways else ""


def _free_bytes() -> int | None:
    """What this process may still take; None where the system does not tell."""
    if sys.platform != "linux":
        return None
    import resource

    free = []
    with suppress(OSError, ValueError, KeyError):
        machine, own = (_kilobytes(Path(f"/proc/{name}")) for name in ("meminfo", "self/status"))
        free.append(machine["MemAvailable"])
        for limit, used in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
            soft = resource.getrlimit(limit)[0]
            if soft != resource.RLIM_INFINITY:
                free.append(max(0, soft - own[used]))
    return min(free, default=None)


def _kilobytes(path: Path) -> dict[str, int]:
    """The amounts in a file of the kernel's, in bytes."""
    found = re.findall(r"^(\w+):\s+(\d+) kB$", path.read_text("ascii", "replace"), re.MULTILINE)
    return {name: int(number) * 1024 for name, number in found}
