"""Names and texts that come out of a file, in an error's text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["names_in_words", "shown_text"]

_MOST, _LONGEST = 20, 60


def names_in_words(names: Iterable[str]) -> str:
    """Names in their order, with commas: a few of them, short, and in letters that can be shown,
    for a file may have thousands of anything. "nothing" for none."""
    shown = sorted(names)
    words = [shown_text(name, _LONGEST) for name in shown[:_MOST]]
    if len(shown) > _MOST:
        words.append(f"and {len(shown) - _MOST} more")
    return ", ".join(words) or "nothing"


def shown_text(text: object, longest: int = 300) -> str:
    """The beginning of a text, in letters that can be shown."""
    return "".join(c if c.isprintable() else "?" for c in str(text)[:longest])
