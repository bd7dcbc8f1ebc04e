"""The files of a clip's depth: which belong to the one that was chosen, and their measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..ex4d.files.picture_names import PictureNamesError, find_pictures
from .errors import MovieError, SettingsError
from .npz_files import array_shape

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["depth_files", "measure_depth"]


def depth_files(path: Path) -> list[Path]:
    """The files to send for the one that was chosen: it alone, or all pictures of its sequence in
    the order of their numbers. Raises SettingsError: none there, no number, or one is missing."""
    if not path.is_file():
        raise SettingsError(f"There is no depth file {path}.")
    try:
        return find_pictures(path) or [path]
    except PictureNamesError as error:
        raise SettingsError(f"The depth's pictures: {error}.") from None


def measure_depth(path: Path) -> tuple[tuple[int, int], int]:
    """Size (W, H) and frames of the depth that was chosen; zeros where they cannot be told."""
    if path.suffix.lower() == ".npz":
        shape = array_shape(path, "depth")
        return ((shape[2], shape[1]), shape[0]) if len(shape) == 3 else ((0, 0), 0)
    from .movie import load_pictures  # needs bpy, which the rule of names does not

    try:
        files = depth_files(path)
        return load_pictures(files).size, len(files)
    except (MovieError, SettingsError, OSError):
        return (0, 0), 0
