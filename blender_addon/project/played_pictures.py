"""Pictures as Blender plays them: under names that it counts right, in the colours of the server.

Blender counts the last digits of a name, and knows no negative frames. It takes DPX for linear and
TIFF with floats for sRGB, which are code values and scene-linear here.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import MovieError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CODED", "LINEAR", "PlayedPictures", "holds_light", "play_pictures"]

CODED, LINEAR = "sRGB", "Linear Rec.709"  # Blender's names
_SAMPLE_FORMAT, _FLOAT = 339, 3  # a TIFF's tag, and its value for floats

_LAST_DIGITS = re.compile(r"(.*?)([0-9]+)([^0-9]*)", re.DOTALL)


@dataclass(frozen=True)
class PlayedPictures:
    """A sequence for an image datablock."""

    first: Path
    number: int  # that Blender finds in its name
    count: int


def play_pictures(paths: tuple[Path, ...], folder: Path) -> PlayedPictures:
    """The pictures as they are; or, where Blender would count something else in their names, links
    to them in a folder, copies where there are no links. Raises MovieError."""
    number = _number_in(paths)
    if number is not None:
        return PlayedPictures(paths[0], number, len(paths))
    suffix = paths[0].suffix
    try:
        folder.mkdir(exist_ok=True)
        links = [folder / f"plate.{place:04d}{suffix}" for place in range(1, len(paths) + 1)]
        for path, link in zip(paths, links, strict=True):
            _link(path, link)
    except OSError as error:
        raise MovieError(f"{folder} cannot be written: {error.strerror}.") from error
    return PlayedPictures(links[0], 1, len(paths))


def _number_in(paths: tuple[Path, ...]) -> int | None:
    """The number of the first picture when Blender counts on from it to all others."""
    found = _LAST_DIGITS.fullmatch(paths[0].stem)
    if found is None:
        return None
    before, digits, after = found.groups()
    for place, path in enumerate(paths):
        name = f"{before}{int(digits) + place:0{len(digits)}d}{after}"
        if path.name != name + paths[0].suffix:
            return None
    return int(digits)


def _link(path: Path, link: Path) -> None:
    with suppress(FileNotFoundError):
        link.unlink()
    try:
        os.symlink(path, link)
    except (OSError, NotImplementedError):  # Windows asks for a right that few have
        try:
            os.link(path, link)
        except OSError:
            shutil.copyfile(path, link)


def holds_light(path: Path) -> bool:
    """Whether a picture has scene-linear values: EXR, and TIFF with floats."""
    suffix = path.suffix.lower()
    return suffix == ".exr" or (suffix in (".tif", ".tiff") and _is_float_tiff(path))


def _is_float_tiff(path: Path) -> bool:
    """By the first directory of a TIFF; false for BigTIFF and what is damaged."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
            order = "<" if start[:2] == b"II" else ">"
            file.seek(struct.unpack(order + "I", start[4:])[0])
            (n_tags,) = struct.unpack(order + "H", file.read(2))
            for tag, _, count, value in struct.iter_unpack(order + "HHI4s", file.read(12 * n_tags)):
                if tag == _SAMPLE_FORMAT:
                    if count > 2:  # it lies elsewhere, once for each channel
                        file.seek(struct.unpack(order + "I", value)[0])
                        value = file.read(2)
                    return bool(struct.unpack(order + "H", value[:2])[0] == _FLOAT)
    except (OSError, struct.error):
        pass
    return False
