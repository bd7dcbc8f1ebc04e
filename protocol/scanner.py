"""Finds what msgspec lets through in a well-formed msgpack value: duplicate keys, NaN, inf."""

from __future__ import annotations

import math
import struct

from .errors import InvalidMessage

__all__ = ["check_strict"]

_DEEPEST = 32
# first byte -> (bytes of the length, bytes of each item that follows it)
_SIZED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_FIXED = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
_FIXED |= {0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_ARRAYS = {0xDC: 2, 0xDD: 4}
_MAPS = {0xDE: 2, 0xDF: 4}
_FLOATS = {0xCA: (">f", 4), 0xCB: (">d", 8)}


def check_strict(data: bytes) -> None:
    """Refuse duplicate map keys at any level, and numbers that are not finite.

    `data` must have been decoded into a typed message before: what msgspec refuses
    (truncation, ext, wrong types) is not looked for here, and the depth is known to be small.
    Raises InvalidMessage naming the field.
    """
    _value(data, 0, "$", 0)


def _value(data: bytes, at: int, path: str, depth: int) -> int:
    """Walk over one value; return where the next one begins."""
    if depth > _DEEPEST:
        raise InvalidMessage(f"{path}: nested deeper than {_DEEPEST}", field=path)
    first = data[at]
    at += 1
    if first < 0x80 or first >= 0xE0 or first in _FIXED:  # integers, nil, booleans
        return at + _FIXED.get(first, 0)
    if first < 0x90:
        return _map(data, at, first & 0x0F, path, depth)
    if first < 0xA0:
        return _array(data, at, first & 0x0F, path, depth)
    if first < 0xC0:
        return at + (first & 0x1F)
    if first in _FLOATS:
        form, size = _FLOATS[first]
        (number,) = struct.unpack_from(form, data, at)
        if not math.isfinite(number):
            raise InvalidMessage(f"{path}: {number} is not a finite number", field=path)
        return at + size
    if first in _SIZED:
        width = _SIZED[first]
        return at + width + _length(data, at, width)
    if first in _ARRAYS:
        width = _ARRAYS[first]
        return _array(data, at + width, _length(data, at, width), path, depth)
    if first in _MAPS:
        width = _MAPS[first]
        return _map(data, at + width, _length(data, at, width), path, depth)
    raise InvalidMessage(f"{path}: byte 0x{first:02x} begins no value", field=path)


def _length(data: bytes, at: int, width: int) -> int:
    return int.from_bytes(data[at : at + width], "big")


def _array(data: bytes, at: int, count: int, path: str, depth: int) -> int:
    for index in range(count):
        at = _value(data, at, f"{path}[{index}]", depth + 1)
    return at


def _map(data: bytes, at: int, count: int, path: str, depth: int) -> int:
    seen = set()
    for _ in range(count):
        end = _value(data, at, path, depth + 1)
        begin = at + 1 + _SIZED.get(data[at], 0)
        key = data[begin:end].decode("utf-8", "replace")  # a string: msgspec takes no other
        if key in seen:
            field = f"{path}.{key[:50]}"
            raise InvalidMessage(f"{path}: the key {key[:50]!r} comes twice", field=field)
        seen.add(key)
        at = _value(data, end, f"{path}.{key[:50]}", depth + 1)
    return at
