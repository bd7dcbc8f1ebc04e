"""What a person looks at: every clip as one row, a hundred rows to a sheet.

A row shows two frames of the clip, and for each mask three frames with what is hidden in magenta.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from ex4d.files.contact_sheet import caption, contact_sheet, write_png
from ex4d.training.dataset import clip_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ex4d.training.dataset import ClipRecord, MaskRecord

__all__ = ["CLIPS_ON_A_SHEET", "SHEET_FOLDER", "clip_row", "write_preview", "write_sheet"]

CLIPS_ON_A_SHEET = 100
SHEET_FOLDER = "sheets"
_CELL_PX = 112
_MAGENTA, _TINT = np.array([255, 0, 255]), 0.6
_PREVIEW = "preview.png"


def clip_row(record: ClipRecord, frames: np.ndarray, masks: Sequence[np.ndarray]) -> np.ndarray:
    """A picture uint8 [h, w, 3] of frames uint8 [T, H, W, 3] and their masks bool [T, H, W]."""
    last = len(frames) - 1
    moments = [last // 3, 2 * last // 3, last]
    blocks = [contact_sheet({"clip": frames[[0, last]]}, 2, _CELL_PX)]
    for mask_record, mask in zip(record.masks, masks, strict=True):
        tinted = _tinted(frames[moments], mask[moments])
        blocks.append(contact_sheet({_label(mask_record): tinted}, len(moments), _CELL_PX))
    gap = np.full((blocks[0].shape[0], 8, 3), 32, np.uint8)
    row = np.concatenate([part for block in blocks for part in (block, gap)][:-1], axis=1)
    return np.concatenate([caption(f"{record.name}   {record.prompt}", row.shape[1]), row])


def write_preview(folder: Path, row: np.ndarray) -> None:
    """Keep a clip's row in its folder. Raises OutputError."""
    write_png(folder / _PREVIEW, row)


def write_sheet(dataset: Path, number: int, names: Sequence[str]) -> None:
    """Put the rows of clips onto sheet `number`, counted from 1; a row that is missing is left out.
    Raises OutputError."""
    rows = [
        row
        for row in map(_read_row, (clip_folder(dataset, name) for name in names))
        if row is not None
    ]
    if not rows:
        return
    width = max(row.shape[1] for row in rows)
    filled = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]
    folder = dataset / SHEET_FOLDER
    folder.mkdir(exist_ok=True)
    write_png(folder / f"sheet_{number:04d}.png", np.concatenate(filled))


def _read_row(folder: Path) -> np.ndarray | None:
    path = folder / _PREVIEW
    if not path.is_file() or path.stat().st_size == 0:
        return None
    return cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR_RGB)


def _label(record: MaskRecord) -> str:
    path = "" if record.path is None else f", {record.path.kind}"
    return f"{record.kind}{path}: {record.visible_share:.0%} visible"


def _tinted(frames: np.ndarray, mask: np.ndarray) -> np.ndarray:
    tinted = (1 - _TINT) * frames + _TINT * _MAGENTA
    return np.where(mask[..., None], frames, tinted).astype(np.uint8)
