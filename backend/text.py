"""Error texts made fit for a message: not too long, and without the server's paths."""

from __future__ import annotations

import re

__all__ = ["LONGEST_TEXT_BYTES", "trimmed", "without_folders"]

LONGEST_TEXT_BYTES = 10_000
_CUT = "\n[...]\n"
# A path from the root with two parts or more; not the rest of an address such as https://host/a/b.
_FOLDERS = re.compile(r"(?<![\w:/.~-])(?:/[^/\s'\"<>|:*?]+)+/(?=[^/\s'\"<>|:*?])")


def trimmed(text: str, limit: int = LONGEST_TEXT_BYTES) -> str:
    """Return a text of at most `limit` bytes of UTF-8: a long one keeps its beginning and its
    end. What UTF-8 cannot hold is escaped."""
    encoded = text[: 4 * limit].encode("utf-8", "backslashreplace")
    if len(text) <= 4 * limit and len(encoded) <= limit:
        return encoded.decode("utf-8")
    half = (limit - len(_CUT)) // 2
    end = text[-limit:].encode("utf-8", "backslashreplace")
    return encoded[:half].decode("utf-8", "ignore") + _CUT + end[-half:].decode("utf-8", "ignore")


def without_folders(text: str) -> str:
    """Return a text where absolute paths are cut to their last part: where a server keeps its
    files is nobody's business."""
    return _FOLDERS.sub("", text)
