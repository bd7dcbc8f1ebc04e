"""Depth in PNG and TIFF pictures: whole numbers, or a TIFF's floats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ex4d.errors import DepthError
from ex4d.files.budget import COMMAND_LINE, Budget
from ex4d.pictures.claims import PictureError
from ex4d.pictures.stored_values import read_stored

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_integers"]


def read_integers(path: Path, budget: Budget = COMMAND_LINE) -> np.ndarray:
    """Read the numbers [H, W] of a picture: its only channel, or the first of three that are equal.

    It must be a PNG or TIFF by its content, whatever its name. Raises DepthError, also for a
    picture that is larger than the budget has.
    """
    try:
        picture = read_stored(path, budget, ("PNG", "TIFF")).values
    except PictureError as error:
        raise DepthError(str(error)) from None
    if picture.ndim == 3:
        if picture.shape[2] < 3 or not (picture[..., :1] == picture[..., 1:3]).all():
            raise DepthError(f"{path} is a coloured picture; depth has one channel")
        picture = picture[..., 0]
    if picture.dtype == np.uint8:
        raise DepthError(f"{path} has 8 bits a pixel, too few for depth; write it with 16")
    return picture
