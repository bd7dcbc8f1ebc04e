"""Depth as one picture for each frame: which files belong to the one that was chosen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["depth_files", "is_picture"]

_SUFFIXES = (".exr", ".png", ".tif", ".tiff")
_NUMBER = re.compile(r"(\d+)(?=\D*\Z)")


def is_picture(path: str) -> bool:
    """Whether a depth file is one picture of a sequence."""
    return path.lower().endswith(_SUFFIXES)


def depth_files(path: Path) -> list[Path]:
    """The files to send for the one that was chosen: it alone, or all pictures of its sequence in
    the order of their numbers. Raises SettingsError: none there, no number, or one is missing."""
    if not path.is_file():
        raise SettingsError(f"There is no depth file {path}.")
    if not is_picture(path.name):
        return [path]
    match = _NUMBER.search(path.stem)
    if match is None:
        raise SettingsError(f"{path.name} has no frame number in its name.")
    before, after = path.name[: match.start()], path.name[match.end() :]
    name = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
    found = {int(m[1]): file for file in path.parent.iterdir() if (m := name.fullmatch(file.name))}
    for number in range(min(found), max(found)):
        if number not in found:
            raise SettingsError(f"Picture {number} of the depth {path.name} is missing.")
    return [found[number] for number in sorted(found)]
