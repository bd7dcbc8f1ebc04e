"""Depth as one picture for each frame: OpenEXR, or PNG and TIFF with whole numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ex4d.depth.exr import read_exr
from ex4d.depth.integers import read_integers
from ex4d.depth.picture import DepthPicture
from ex4d.errors import DepthError
from ex4d.files.budget import COMMAND_LINE, Budget
from ex4d.files.picture_names import PictureNamesError
from ex4d.files.picture_names import find_pictures as find_by_name

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["find_pictures", "read_picture"]


def find_pictures(source: Path) -> list[Path] | None:
    """The pictures of a sequence in frame order, by the rule of `ex4d.files.picture_names`; None
    when `source` names none. Raises DepthError: names that make no sequence."""
    try:
        return find_by_name(source)
    except PictureNamesError as error:
        raise DepthError(str(error)) from None


def read_picture(
    path: Path, layer: str | None = None, budget: Budget = COMMAND_LINE
) -> DepthPicture:
    """Read the numbers of one picture [H, W]: of an EXR file its depth, of others their only
    channel, or the first of three that are equal. Raises DepthError.
    """
    if path.suffix.lower() == ".exr":
        return read_exr(path, layer, budget)
    return DepthPicture(read_integers(path, budget))
