"""Contact sheets: several videos side by side at a few moments, as one PNG to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ex4d.errors import OutputError
from ex4d.files.outputs import atomic_path

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["caption", "contact_sheet", "magnified_difference", "write_png"]

_LABEL_HEIGHT = 22
_GAP = 4


def contact_sheet(
    rows: Mapping[str, np.ndarray], moments: int = 6, cell_width: int = 240
) -> np.ndarray:
    """Lay out videos as rows uint8 [T, H, W, 3] or masks bool [T, H, W], time to the right.

    Returns one picture uint8 [h, w, 3]. Rows may differ in length and size.
    """
    strips = []
    for label, video in rows.items():
        height = max(1, round(cell_width * video.shape[1] / video.shape[2]))
        cells = []
        for frame in np.linspace(0, len(video) - 1, moments).round().astype(int):
            picture = video[frame]
            if picture.ndim == 2:
                picture = np.repeat(picture[..., None].astype(np.uint8) * 255, 3, axis=-1)
            cell = cv2.resize(picture, (cell_width, height), interpolation=cv2.INTER_AREA)
            cells += [cell, np.full((height, _GAP, 3), 32, np.uint8)]
        strip = np.concatenate(cells[:-1], axis=1)
        strips += [caption(label, strip.shape[1]), strip]
    return np.concatenate(strips)


def magnified_difference(video: np.ndarray, other: np.ndarray, times: int) -> np.ndarray:
    """How far two videos uint8 [T, H, W, 3] are apart, so many times as bright: uint8."""
    apart: np.ndarray = np.abs(video.astype(np.int16) - other) * times
    return apart.clip(0, 255).astype(np.uint8)


def caption(text: str, width: int) -> np.ndarray:
    """A dark bar uint8 [h, width, 3] with a line of text, cut off where it is too long."""
    bar = np.full((_LABEL_HEIGHT, width, 3), 32, np.uint8)
    white, font = (235, 235, 235), cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(bar, text, (6, 16), font, 0.48, white, 1, cv2.LINE_AA)
    return bar


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write a picture uint8 [H, W, 3] as PNG. Raises OutputError."""
    ok, data = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    if not ok:
        raise OutputError(f"{path} could not be encoded as PNG")
    with atomic_path(Path(path)) as temporary:
        temporary.write_bytes(data.tobytes())
