"""The conditions on disk: `color_<cam>.mp4`, `mask_<cam>.mp4`, and beside them the backdrop.

`backdrop_<cam>.npz` holds what the preview engine fills holes with, `color` uint8 [T, H, W, 3] and
`mask` bool [T, H, W]; other engines do not need it. `conditions_<cam>.npz` holds the conditions
without any loss, and their camera.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from ex4d.budget import COMMAND_LINE, Budget
from ex4d.conditions.backdrop import Backdrop
from ex4d.conditions.render import Conditions
from ex4d.errors import InputError
from ex4d.npz import read_npz, write_npz
from ex4d.video.writer import read_color, read_mask, write_color, write_mask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction
    from pathlib import Path

    from ex4d.camera.trajectory import Trajectory
    from ex4d.conditions.render import Progress

__all__ = ["backdrop_beside", "read_conditions", "write_conditions", "write_frames"]

_log = logging.getLogger(__name__)


def write_conditions(
    folder: Path,
    name: str,
    conditions: Conditions,
    fps: Fraction,
    *,
    progress: Progress | None = None,
) -> None:
    """Write colour, mask and backdrop of the camera path `name`. Raises OutputError.

    `progress` counts the frames of both videos.
    """
    total = 2 * len(conditions.color)

    def told(frames: np.ndarray, done: int) -> Iterator[np.ndarray]:
        for number, frame in enumerate(frames, start=done):
            if progress is not None:
                progress(number, total)
            yield frame

    write_color(folder / f"color_{name}.mp4", told(conditions.color, 0), fps)
    write_mask(folder / f"mask_{name}.mp4", told(conditions.mask, total // 2), fps)
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
    color_path: Path, mask_path: Path, budget: Budget = COMMAND_LINE
) -> tuple[Conditions, Fraction]:
    """Read a pair of condition videos, and the backdrop where it lies beside them; also the rate.

    Raises VideoError for files that cannot be read, InputError when they do not belong together or
    are larger than the budget has.
    """
    color, fps = read_color(color_path, budget)
    mask, _ = read_mask(mask_path, budget)
    if color.shape[:3] != mask.shape:
        raise InputError(
            f"{color_path} and {mask_path} do not belong together: {_size(color)} and {_size(mask)}"
        )
    return Conditions(color, mask, _read_backdrop(color_path, mask, budget)), fps


def _size(video: np.ndarray) -> str:
    return f"{len(video)} frames of {video.shape[2]}x{video.shape[1]}"


def backdrop_beside(color_path: Path) -> Path:
    """What the backdrop of a colour video is called."""
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
