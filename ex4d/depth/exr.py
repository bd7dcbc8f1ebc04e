"""Depth in OpenEXR files, as Blender, Nuke and others write it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ex4d.depth.exr_layers import depth_channels
from ex4d.depth.picture import DepthPicture
from ex4d.errors import DepthError
from ex4d.files.budget import COMMAND_LINE, Budget
from ex4d.pictures.claims import PictureError
from ex4d.pictures.exr import (
    in_display_window,
    pixel_aspect_of,
    read_channels,
    read_headers,
    reading_exr,
    write_channels,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_exr", "write_exr"]


def read_exr(path: Path, layer: str | None = None, budget: Budget = COMMAND_LINE) -> DepthPicture:
    """Read the depth of one file: float16, float32 or uint32 [H, W] of its display window, NaN (0
    in whole numbers) outside the data window; of a proxy, its data window. No other channel is
    unpacked.

    `layer` names what is taken, else the rule of `ex4d.depth.exr_layers` chooses. Raises
    DepthError, also for a picture that is larger than the budget has.
    """
    try:
        with reading_exr(path):
            headers = read_headers(path)
            chosen = depth_channels(headers, layer)
            header = headers[chosen.part]
            pixels, *others = read_channels(path, header, chosen.part, chosen.names, budget)
    except PictureError as error:
        raise DepthError(str(error)) from None
    if not all(np.array_equal(pixels, other, equal_nan=True) for other in others):
        names = ", ".join(chosen.names)
        raise DepthError(f"{path} is a coloured picture: {names} differ; depth has one channel")
    values = np.array(pixels) if chosen.is_proxy else in_display_window(header, pixels)
    return DepthPicture(values, chosen.said, chosen.of_several, pixel_aspect_of(header))


def write_exr(path: Path, depth: np.ndarray) -> None:
    """Write z-depth float32 [H, W] as the channel Z. Raises OutputError."""
    write_channels(path, {"Z": depth})
