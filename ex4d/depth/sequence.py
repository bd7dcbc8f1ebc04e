"""Depth as one picture for each frame: OpenEXR, or PNG and TIFF with whole numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ex4d.budget import COMMAND_LINE, Budget
from ex4d.depth.exr import read_exr
from ex4d.depth.integers import read_integers
from ex4d.errors import DepthError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

__all__ = ["PICTURE_SUFFIXES", "find_pictures", "read_picture"]

PICTURE_SUFFIXES = (".exr", ".png", ".tif", ".tiff")
_PATTERN = re.compile(r"#+|%0?\d*d")
_NUMBER = re.compile(r"(\d+)(?=\D*\Z)")


def find_pictures(source: Path) -> list[Path] | None:
    """The pictures of a sequence in frame order; None when `source` names none.

    `source` is their folder, a name with #### or %04d in place of the number, or the name of any
    one of them. Raises DepthError: none there, several sequences in the folder, or a number that
    is missing.
    """
    if source.is_dir():
        return _checked(source, [path for path in source.iterdir() if _is_picture(path)])
    if source.suffix.lower() not in PICTURE_SUFFIXES:
        return None
    match = _PATTERN.search(source.name)
    if match is None and not source.exists():
        raise DepthError(f"there is no file {source}")
    match = match or _NUMBER.search(source.stem)
    if match is None:
        raise DepthError(f"{source} has no frame number in its name; a clip needs one a frame")
    before, after = source.name[: match.start()], source.name[match.end() :]
    name = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
    siblings = source.parent.iterdir() if source.parent.is_dir() else ()
    return _checked(source, [path for path in siblings if name.fullmatch(path.name)])


def read_picture(path: Path, layer: str | None = None, budget: Budget = COMMAND_LINE) -> np.ndarray:
    """Read the numbers of one picture [H, W]: of an EXR file its depth, of others their only
    channel, or the first of three that are equal. Raises DepthError.
    """
    if path.suffix.lower() == ".exr":
        return read_exr(path, layer, budget)
    return read_integers(path, budget)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")


def _checked(source: Path, pictures: list[Path]) -> list[Path]:
    """Pictures in the order of their numbers. Raises DepthError."""
    if not pictures:
        raise DepthError(f"there are no pictures {source}, of {', '.join(PICTURE_SUFFIXES)}")
    numbered: dict[int, Path] = {}
    for path in sorted(pictures):
        match = _NUMBER.search(path.stem)
        if match is None:
            raise DepthError(f"{path} has no frame number in its name")
        number = int(match[1])
        if number in numbered:
            raise DepthError(f"{numbered[number]} and {path} are both frame {number}: choose one")
        numbered[number] = path
    for number in range(min(numbered), max(numbered)):
        if number not in numbered:
            after = numbered[next(n for n in sorted(numbered) if n > number)]
            raise DepthError(f"frame {number} is missing before {after}")
    return [numbered[number] for number in sorted(numbered)]
