"""The conditions on disk: `color_<cam>.mp4`, `mask_<cam>.mp4`, and beside them the backdrop.

Or as pictures: the folders `color_<cam>` and `mask_<cam>`, with `color_<cam>.1001.png` in it, of 16
bits, or `.exr`, half floats.

`backdrop_<cam>.npz` holds what the preview engine fills holes with, `color` uint8 [T, H, W, 3] and
`mask` bool [T, H, W]; other engines do not need it. `conditions_<cam>.npz` holds the conditions
without any loss, and their camera.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from ex4d.conditions.backdrop import Backdrop
from ex4d.conditions.render import Conditions
from ex4d.errors import InputError
from ex4d.files.budget import COMMAND_LINE, Budget
from ex4d.files.npz import read_npz, write_npz
from ex4d.video.clip import VideoReading
from ex4d.video.frame_numbers import numbered_metadata
from ex4d.video.picture_writer import PicturePattern
from ex4d.video.sequence import find_sequence
from ex4d.video.writer import painted, read_color, read_mask, write_color, write_mask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction
    from pathlib import Path

    from ex4d.camera.trajectory import Trajectory
    from ex4d.conditions.render import Progress

__all__ = [
    "KINDS",
    "backdrop_beside",
    "color_of",
    "mask_of",
    "read_conditions",
    "write_conditions",
    "write_frames",
]

KINDS = ("mp4", "png", "exr")

_log = logging.getLogger(__name__)


def color_of(name: str, kind: str = "mp4") -> str:
    """What the colour of the camera path `name` is called; a folder ends in /."""
    return f"color_{name}.mp4" if kind == "mp4" else f"color_{name}/"


def mask_of(name: str, kind: str = "mp4") -> str:
    """What its mask is called."""
    return f"mask_{name}.mp4" if kind == "mp4" else f"mask_{name}/"


def write_conditions(
    folder: Path,
    name: str,
    conditions: Conditions,
    fps: Fraction,
    *,
    kind: str = "mp4",
    first_number: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Write colour, mask and backdrop of the camera path `name`. Raises OutputError.

    `first_number` is what the first frame is called, where it has a number. `progress` counts the
    frames of both.
    """
    total = 2 * len(conditions.color)

    def told(frames: np.ndarray, done: int) -> Iterator[np.ndarray]:
        for number, frame in enumerate(frames, start=done):
            if progress is not None:
                progress(number, total)
            yield frame

    color, mask = told(conditions.color, 0), told(conditions.mask, total // 2)
    metadata = numbered_metadata({}, first_number)
    if kind == "mp4":
        write_color(folder / color_of(name), color, fps, metadata=metadata)
        write_mask(folder / mask_of(name), mask, fps, metadata=metadata)
    else:
        for part, frames in ((f"color_{name}", color), (f"mask_{name}", painted(mask))):
            (folder / part).mkdir()
            pattern = PicturePattern(f"{part}.", 4, f".{kind}")
            pattern.write(folder / part, frames, first_number or 0)
    if conditions.backdrop is not None:
        backdrop = {"color": conditions.backdrop.color, "mask": conditions.backdrop.mask}
        write_npz(folder / f"backdrop_{name}.npz", backdrop)
    if progress is not None:
        progress(total, total)


def write_frames(folder: Path, name: str, conditions: Conditions, trajectory: Trajectory) -> None:
    """Write `conditions_<name>.npz`. Raises OutputError."""
    arrays = {
        "color": conditions.color,
        "mask": conditions.mask,
        "extrinsics": trajectory.world_to_camera,
        "intrinsics": trajectory.intrinsics,
    }
    write_npz(folder / f"conditions_{name}.npz", arrays)


def read_conditions(
    color_path: Path,
    mask_path: Path,
    budget: Budget = COMMAND_LINE,
    reading: VideoReading = VideoReading(),
) -> tuple[Conditions, Fraction]:
    """Read a pair of condition videos, and the backdrop where it lies beside them; also the rate.
    Each may be a sequence of pictures, see `find_sequence`.

    Raises VideoError for files that cannot be read, InputError when they do not belong together or
    are larger than the budget has.
    """
    color, fps = read_color(color_path, budget, reading)
    mask, _ = read_mask(mask_path, budget, reading)
    if color.shape[:3] != mask.shape:
        raise InputError(
            f"{color_path} and {mask_path} do not belong together: {_size(color)} and {_size(mask)}"
        )
    return Conditions(color, mask, _read_backdrop(color_path, mask, budget)), fps


def _size(video: np.ndarray) -> str:
    return f"{len(video)} frames of {video.shape[2]}x{video.shape[1]}"


def backdrop_beside(color_path: Path) -> Path:
    """What the backdrop of a colour video, or of a folder of pictures, is called."""
    if find_sequence(color_path) is not None:
        folder = color_path.absolute() if color_path.is_dir() else color_path.absolute().parent
        return folder.parent / f"{folder.name.replace('color', 'backdrop', 1)}.npz"
    return color_path.parent / f"{color_path.stem.replace('color', 'backdrop', 1)}.npz"


def _read_backdrop(color_path: Path, mask: np.ndarray, budget: Budget) -> Backdrop | None:
    path = backdrop_beside(color_path)
    if path == color_path.with_suffix(".npz") or not path.exists():
        return None
    arrays = read_npz(path, InputError, budget, names=("color", "mask"))
    color, known = arrays.get("color"), arrays.get("mask")
    belongs = (
        color is not None
        and known is not None
        and known.shape == mask.shape
        and known.dtype == np.bool_
        and color.shape == (*mask.shape, 3)
        and color.dtype == np.uint8
    )
    if not belongs:
        _log.warning("%s does not belong to %s and is left out", path, color_path)
        return None
    return Backdrop(arrays["color"], arrays["mask"])
