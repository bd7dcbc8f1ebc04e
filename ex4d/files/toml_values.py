"""Values as TOML, for what `tomllib` reads back and cannot write."""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["toml_value"]


def toml_value(value: str | float | bool | Path | tuple[str, ...]) -> str:
    """Write a text, a number, a truth value, a path or a list of texts as TOML."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, str | Path):
        # JSON escapes as TOML does, but for this one character.
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower()
