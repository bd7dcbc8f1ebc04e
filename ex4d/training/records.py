"""Records as JSON: dataclasses, frame rates as "num/den", file names that are not UTF-8 too."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

import msgspec

from ex4d.errors import InputError
from ex4d.files.names import shown_text
from ex4d.files.outputs import atomic_path

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_record_file", "record_from_json", "record_to_json", "write_record_file"]

_Record = TypeVar("_Record")


def record_to_json(record: object, indent: int | None = None) -> str:
    """A record as JSON in ASCII."""
    # Not msgspec's encoder: it refuses file names that are not UTF-8.
    return json.dumps(msgspec.to_builtins(record, enc_hook=_to_text), indent=indent)


def record_from_json(text: str | bytes, kind: type[_Record]) -> _Record:
    """A record from JSON. Raises ValueError for what is none of that kind."""
    try:
        return msgspec.convert(json.loads(text), kind, dec_hook=_from_text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def write_record_file(path: Path, record: object) -> None:
    """Write a record. Raises OutputError."""
    with atomic_path(path) as temporary:
        temporary.write_text(record_to_json(record, indent=2) + "\n", "ascii")


def read_record_file(path: Path, kind: type[_Record], version: int) -> _Record:
    """Read a record whose `format` must be `version`. Raises InputError, naming the file, when it
    is missing, damaged or of another format."""
    try:
        data = path.read_bytes()
        content = json.loads(data)
        found = content.get("format") if isinstance(content, dict) else None
        if found != version:
            raise InputError(
                f"{path} has format {shown_text(found)}, this version reads format {version}"
            )
        return record_from_json(data, kind)
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # json's and msgspec's errors are ValueErrors
        raise InputError(f"{path} is damaged: {shown_text(error)}") from None


def _to_text(rate: Fraction) -> str:
    return f"{rate.numerator}/{rate.denominator}"


def _from_text(kind: type, text: object) -> Fraction:
    """A frame rate from "num/den"."""
    try:
        rate = Fraction(str(text))
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if kind is not Fraction or rate <= 0:
        raise ValueError(f"{text!r} is no frame rate")
    return rate
