"""Text files as editors write them: UTF-8 with or without its mark, UTF-16 with one."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_text"]

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # Windows' "Unicode"


def read_text(path: Path, errors: str = "strict") -> str:
    """Read a text file. Raises OSError, and UnicodeDecodeError for bytes that are no text."""
    data = path.read_bytes()
    return data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig", errors)
