"""A server's settings as people write them: the TOML file, the flags, and TOML again.

A flag beats the file, the file beats the default. Paths of a file count from where the file lies.
"""

from __future__ import annotations

import difflib
import textwrap
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, get_args, get_origin

import msgspec

from backend.settings import ServerSettings
from ex4d.errors import InputError, UsageError
from ex4d.files.text_files import read_text
from ex4d.files.toml_values import toml_value
from protocol.messages.refusal_words import requirement_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["as_toml", "decoded", "descriptions", "encoded", "read_settings", "takes_many"]

_WIDTH = 100
_LONGEST_SHOWN = 60
_PathText = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
_FIELDS = {field.name: field for field in msgspec.structs.fields(ServerSettings)}


class _Given(NamedTuple):
    """A value for a setting, and what to call the place that it came from."""

    value: Any
    place: str
    is_text: bool  # typed as a flag, and still to be made a number


def read_settings(file: Path | None, flags: Mapping[str, Any]) -> ServerSettings:
    """Read the settings that a file and flags give; what neither names has its default.

    Raises InputError for a file that cannot be read or is no TOML, UsageError for an unknown key,
    a value of the wrong type or out of range, and settings that do not fit together.
    """
    given: dict[str, _Given] = {}
    if file is not None:
        for name, value in _table_of(file).items():
            given[name] = _Given(value, f"{name} in {file}", is_text=False)
    for name, value in flags.items():
        given[name] = _Given(value, f"--{name}", is_text=True)
    values = {name: _value_of(name, each) for name, each in given.items()}
    if file is not None:
        for name, value in values.items():
            if isinstance(value, Path) and not given[name].is_text:
                values[name] = file.parent / value
    settings = ServerSettings(**values)
    for problem in settings.contradictions():
        raise UsageError(problem if file is None else f"{problem} (with {file})")
    return settings


def as_toml(settings: ServerSettings) -> str:
    """Write settings as a file that `read_settings` reads, with what each is for. What has no value
    stands there as a comment."""
    lines = ["# Settings of `ex4d serve --config FILE`; each is also a flag, which beats the file."]
    for name, text in descriptions().items():
        value = getattr(settings, name)
        lines += ["", *textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ")]
        lines.append(f"# {name} =" if value is None else f"{name} = {toml_value(value)}")
    return "\n".join(lines) + "\n"


def descriptions() -> dict[str, str]:
    """What each setting is for, by its name."""
    return {name: _description(field.type) for name, field in _FIELDS.items()}


def takes_many(name: str) -> bool:
    """Whether a setting is a list."""
    return isinstance(_FIELDS[name].default, tuple)


def encoded(settings: ServerSettings) -> str:
    """Settings as one line, for another process of this server."""
    return msgspec.json.encode(settings, enc_hook=str).decode()


def decoded(line: str) -> ServerSettings:
    """The settings in a line of `encoded`."""
    return msgspec.json.decode(line, type=ServerSettings, dec_hook=_path_of)


def _table_of(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(file))
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{file} is no TOML: {error}") from None


def _value_of(name: str, given: _Given) -> Any:
    """One setting as its type. Raises UsageError naming it and what it must be."""
    if name not in _FIELDS:
        near = difflib.get_close_matches(name, _FIELDS, 1)
        hint = f"; is {near[0]} meant?" if near else ""
        raise UsageError(f"{given.place} is no setting of this server{hint}")
    kind = _FIELDS[name].type
    try:
        value = msgspec.convert(given.value, kind, strict=not given.is_text, dec_hook=_path_of)
    except msgspec.ValidationError as error:
        must = requirement_of(str(error))
    else:
        if value is not None:
            return value
        must = "must have a value"  # msgspec takes the text "null" for None
    if choices := _choices(kind):
        must = f"must be {' or '.join(str(choice) for choice in choices)}"
    shown = textwrap.shorten(repr(given.value), _LONGEST_SHOWN, placeholder="...")
    raise UsageError(f"{given.place} is {shown}: it {must}")


def _path_of(kind: type, value: object) -> Path:
    """Make a path of a text; paths are the only type here that msgspec does not know."""
    text = msgspec.convert(value, _PathText)
    if not text.isprintable():
        raise msgspec.ValidationError("Expected `str` matching a path")
    with suppress(RuntimeError):  # nobody of that name has a home
        return Path(text).expanduser()
    return Path(text)


def _parts(kind: Any) -> Iterator[Any]:
    """The parts of an annotation, itself first."""
    yield kind
    for part in get_args(kind):
        yield from _parts(part)


def _description(kind: Any) -> str:
    metas = (part for part in _parts(kind) if isinstance(part, msgspec.Meta))
    return next(meta.description for meta in metas if meta.description)


def _choices(kind: Any) -> tuple[Any, ...]:
    """The values of a setting that is one of a few."""
    return next((get_args(part) for part in _parts(kind) if get_origin(part) is Literal), ())
