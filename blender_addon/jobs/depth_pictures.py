"""The files of a clip's depth: all that belong to the one that was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ex4d.files.picture_names import PictureNamesError, find_pictures
from ..errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["depth_files"]


def depth_files(path: Path) -> list[Path]:
    """The files to send for the one that was chosen: it alone, or all pictures of its sequence in
    the order of their numbers. Raises SettingsError: none there, no number, or one is missing."""
    if not path.is_file():
        raise SettingsError(f"There is no depth file {path}.")
    try:
        return find_pictures(path) or [path]
    except PictureNamesError as error:
        raise SettingsError(f"The depth's pictures: {error}.") from None
