"""A reader of binary PLY files that follows the header, value by value."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

LETTERS = {"float": "f", "uchar": "B", "int": "i"}


def parse(content: bytes) -> dict[str, list]:
    """The rows of each element."""
    header, _, body = content.partition(b"end_header\n")
    lines = [line.split() for line in header.decode("ascii").splitlines()]
    assert lines[0] == ["ply"]
    assert lines[1] == ["format", "binary_little_endian", "1.0"]
    elements: dict[str, list] = {}
    at = 0
    for number, line in enumerate(lines):
        if line[0] != "element":
            continue
        properties = [other for other in lines[number + 1 :] if other[0] in {"property", "element"}]
        ends = [i for i, other in enumerate(properties) if other[0] == "element"]
        rows, at = read_rows(body, at, int(line[2]), properties[: (ends or [None])[0]])
        elements[line[1]] = rows
    assert at == len(body)
    return elements


def read_rows(body: bytes, at: int, n_rows: int, properties: list) -> tuple[list, int]:
    rows = []
    for _ in range(n_rows):
        row = []
        for line in properties:
            letters = LETTERS[line[-2]]
            if line[1] == "list":
                (count,) = struct.unpack_from("<" + LETTERS[line[2]], body, at)
                at += struct.calcsize("<" + LETTERS[line[2]])
                letters = count * LETTERS[line[3]]
            row += struct.unpack_from("<" + letters, body, at)
            at += struct.calcsize("<" + letters)
        rows.append(row)
    return rows, at


def read_ply(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions [V, 3], rgba [V, 4] and faces [F, 3] of a mesh."""
    elements = parse(path.read_bytes())
    vertices = np.array(elements["vertex"])
    return vertices[:, :3].astype(np.float32), vertices[:, 3:], np.array(elements["face"])
