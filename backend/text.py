"""Error texts cut to what a message may carry."""

from __future__ import annotations

__all__ = ["LONGEST_TEXT_BYTES", "trimmed"]

LONGEST_TEXT_BYTES = 10_000
_CUT = "\n[...]\n"


def trimmed(text: str, limit: int = LONGEST_TEXT_BYTES) -> str:
    """Return a text of at most `limit` bytes of UTF-8: a long one keeps its beginning and its
    end. What UTF-8 cannot hold is escaped."""
    encoded = text[: 4 * limit].encode("utf-8", "backslashreplace")
    if len(text) <= 4 * limit and len(encoded) <= limit:
        return encoded.decode("utf-8")
    half = (limit - len(_CUT)) // 2
    end = text[-limit:].encode("utf-8", "backslashreplace")
    return encoded[:half].decode("utf-8", "ignore") + _CUT + end[-half:].decode("utf-8", "ignore")
