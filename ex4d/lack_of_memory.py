"""Whether a library ran out of memory: each says it in its own way."""

from __future__ import annotations

import re

__all__ = ["is_lack_of_memory", "lack_in_words"]

_WORDS = (
    *("out of memory", "cannot allocate memory", "can't allocate memory", "unable to allocate"),
    *("insufficient memory", "bad_alloc", "bad allocation", "can't start new thread"),
)


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether `error` says so: Python's and NumPy's own, PyTorch's, OpenCV's, FFmpeg's."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = f"{type(error).__name__}: {error}".lower()
    return any(words in text for words in _WORDS)


def lack_in_words(error: BaseException) -> str:
    """One sentence for the user, with how much was asked for where NumPy tells."""
    asked = re.match(r"Unable to allocate ([\d.]+?)\.? (\w+) for an array", str(error))
    more = f" ({asked[1]} {asked[2]} more were asked for)" if asked else ""
    return f"there was not enough memory{more}: choose fewer frames or a smaller size"
