"""Depth files of every kind, opened: how many frames, and each as it is stored.

`depth.npz` has `depth` [N, H, W] (or with an axis of one channel) and optional `intrinsics` [3, 3]
or [N, 3, 3] for that size, or for `size` (W, H) where the file has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ex4d.camera.trajectory import check_intrinsics, check_size
from ex4d.depth.sequence import find_pictures, read_picture
from ex4d.errors import CameraError, DepthError
from ex4d.files.budget import COMMAND_LINE, Budget
from ex4d.files.names import names_in_words
from ex4d.files.npz import open_frames

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

__all__ = ["StoredDepth", "open_depth", "open_pictures"]


@dataclass(frozen=True, eq=False)
class StoredDepth:
    """Frames of depth on disk."""

    path: Path
    n_frames: int
    size: tuple[int, int]  # (W, H) of each
    frame: Callable[[int], np.ndarray]  # its numbers [H, W]; raises DepthError
    name: Callable[[int], str]  # what to call a frame in an error
    intrinsics: np.ndarray | None = None  # float64 [N, 3, 3]
    lens_size: tuple[int, int] | None = None  # (W, H) that they are for; None: not said
    others: tuple[str, ...] = ()  # names of arrays in the file that are not used
    said: str = ""  # which channel of its pictures it is, where they have names
    of_several: bool = False  # whether they have other channels
    pixel_aspect: float = 1.0  # width over height of a pixel
    close: Callable[[], None] = lambda: None  # its file; a frame that is asked for opens it again


def open_depth(
    source: Path, layer: str | None = None, budget: Budget = COMMAND_LINE
) -> StoredDepth:
    """Open a depth.npz or a sequence of pictures (see `find_pictures`). One frame is held at a
    time. Raises DepthError, naming the file, also for a frame that is larger than the budget has.
    """
    pictures = find_pictures(source)
    if pictures is not None:
        return open_pictures(pictures, layer, budget)
    try:
        return _open_npz(source, budget)
    except CameraError as error:
        raise DepthError(f"{source}: {error}") from None
    except DepthError as error:
        text = str(error)
        raise DepthError(text if str(source) in text else f"{source}: {text}") from None


def open_pictures(
    pictures: list[Path], layer: str | None = None, budget: Budget = COMMAND_LINE
) -> StoredDepth:
    """Open pictures that are given in frame order. Raises DepthError when their sizes differ, or
    the channels that hold the depth."""
    first = read_picture(pictures[0], layer, budget)
    size, said = first.values.shape, first.said

    def frame(number: int) -> np.ndarray:
        picture = read_picture(pictures[number], layer, budget)
        values = picture.values
        if values.shape != size:
            raise DepthError(
                f"{pictures[number]} has {values.shape[1]}x{values.shape[0]} pixels, "
                f"{pictures[0]} has {size[1]}x{size[0]}"
            )
        if picture.said != said:
            raise DepthError(
                f"{pictures[number]} gives {picture.said}, {pictures[0]} {said}: name the layer"
            )
        return values

    return StoredDepth(
        pictures[0].parent,
        len(pictures),
        (size[1], size[0]),
        frame,
        lambda number: str(pictures[number]),
        said=said,
        of_several=first.of_several,
        pixel_aspect=first.pixel_aspect,
    )


def _open_npz(path: Path, budget: Budget) -> StoredDepth:
    used = ("intrinsics", "size")
    frames, others, names = open_frames(path, DepthError, "depth", used, budget)
    if frames is None:
        raise DepthError(f"there is no 'depth' in it, only {names_in_words(names)}")
    shape = frames.shape
    if len(shape) == 4 and 1 in (shape[1], shape[3]):
        shape = (shape[0], *(shape[2:] if shape[1] == 1 else shape[1:3]))
    if len(shape) != 3 or 0 in shape or frames.dtype.kind not in "fiu":
        raise DepthError(
            f"depth must be numbers [N, H, W], it is {frames.dtype} {list(frames.shape)}"
        )
    if shape[1] * shape[2] > budget.picture_pixels:
        raise DepthError(
            f"a frame of it has {shape[2]}x{shape[1]} pixels; {budget.picture_pixels} are the most"
        )
    intrinsics = None
    if "intrinsics" in others:
        intrinsics = check_intrinsics(others["intrinsics"], shape[0])
    lens_size = check_size(others["size"]) if "size" in others else None

    def frame(number: int) -> np.ndarray:
        return frames.frame(number).reshape(shape[1:])

    name = f"{path}: frame {{}}".format
    return StoredDepth(
        path,
        shape[0],
        (shape[2], shape[1]),
        frame,
        name,
        intrinsics,
        lens_size,
        tuple(name for name in names if name not in ("depth", *used)),
        close=frames.close,
    )
