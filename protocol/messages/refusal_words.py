"""What is wrong with a message or a job, in plain words instead of a schema's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["field_of", "requirement_of", "words_for"]

_PLACE = re.compile(r" - at `(?:key` in `)?([^`]*)`")
_FIELD = re.compile(r"field `([^`]*)`")
_BOUNDS = {"<=": "at most", ">=": "at least", "<": "less than", ">": "more than"}
_KINDS = {
    "array": "a list",
    "bool": "yes or no",
    "bytes": "bytes",
    "float": "a number",
    "int": "a whole number",
    "null": "nothing",
    "object": "a set of named values",
    "str": "a text",
}
_PARTS = {"str": ("character", "characters"), "bytes": ("byte", "bytes")}  # of what has a length


def _kinds(names: str) -> str:
    return " or ".join(_KINDS.get(name, name) for name in re.split(r"\s*\|\s*", names))


def _parts(kind: str, number: int) -> str:
    return _PARTS.get(kind, ("entry", "entries"))[number != 1]


_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (
        re.compile(r"Expected `(\w+)` of length ([<>]=?) (\d+)"),
        lambda m: f"must have {_BOUNDS[m[2]]} {m[3]} {_parts(m[1], int(m[3]))}",
    ),
    (
        re.compile(r"Expected `\w+` ([<>]=?) (\S+)"),
        lambda m: f"must be {_BOUNDS[m[1]]} {m[2].removesuffix('.0')}",
    ),
    (re.compile(r"Expected `\w+` matching"), lambda m: "has characters that are not allowed"),
    (
        re.compile(r"Expected `([^`]+)`, got `([^`]+)`"),
        lambda m: f"must be {_kinds(m[1])}, not {_kinds(m[2])}",
    ),
    (re.compile(r"missing required field"), lambda m: "is missing"),
    (re.compile(r"unknown field"), lambda m: "is not known to this version"),
    (re.compile(r"Invalid (?:enum )?value (.*?)(?: - at|$)"), lambda m: f"may not be {m[1]}"),
)


def field_of(text: str) -> str:
    """The field that a schema's error is about, as a path from `$`; `$` where none is."""
    place = _PLACE.search(text)
    field = place[1] if place else "$"
    named = _FIELD.search(text)
    return f"{field}.{named[1]}" if named else field


def words_for(text: str) -> str:
    """A schema's error as the rest of a sentence: "trajectory width must be at most 8192"."""
    must = requirement_of(text)
    return f"{_name_of(field_of(text))} {must}" if must else "its bytes are damaged"


def requirement_of(text: str) -> str:
    """What a schema's error asks of its value: "must be at most 8192"; nothing where it asks for
    nothing that can be said."""
    for pattern, words in _RULES:
        found = pattern.search(text)
        if found:
            return words(found)
    return ""


def _name_of(field: str) -> str:
    """What the field of a path is called in a sentence."""
    name = field.removeprefix("$").lstrip(".").removeprefix("job.")
    words = re.sub(r"\[[^\]]*\]", "", name).replace(".", " ").replace("_", " ").strip()
    return words or "it"
