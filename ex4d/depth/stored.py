"""Depth files of every kind, opened: how many frames, and each as it is stored.

`depth.npz` has `depth` [N, H, W] (or with an axis of one channel) and optional `intrinsics` [3, 3]
or [N, 3, 3] for that size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ex4d.camera.trajectory import check_intrinsics
from ex4d.depth.sequence import find_pictures, read_picture
from ex4d.errors import CameraError, DepthError
from ex4d.npz import read_npz

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
    frame: Callable[[int], np.ndarray]  # its numbers [H, W]; raises DepthError
    name: Callable[[int], str]  # what to call a frame in an error
    intrinsics: np.ndarray | None = None  # float64 [N, 3, 3] for its size


def open_depth(source: Path, layer: str | None = None) -> StoredDepth:
    """Open a depth.npz or a sequence of pictures (see `find_pictures`). Raises DepthError, naming
    the file."""
    pictures = find_pictures(source)
    if pictures is not None:
        return open_pictures(pictures, layer)
    try:
        return _open_npz(source, read_npz(source, DepthError))
    except CameraError as error:
        raise DepthError(f"{source}: {error}") from None
    except DepthError as error:
        text = str(error)
        raise DepthError(text if str(source) in text else f"{source}: {text}") from None


def open_pictures(pictures: list[Path], layer: str | None = None) -> StoredDepth:
    """Open pictures that are given in frame order. Raises DepthError when sizes differ."""
    size = read_picture(pictures[0], layer).shape

    def frame(number: int) -> np.ndarray:
        picture = read_picture(pictures[number], layer)
        if picture.shape != size:
            raise DepthError(
                f"{pictures[number]} has {picture.shape[1]}x{picture.shape[0]} pixels, "
                f"{pictures[0]} has {size[1]}x{size[0]}"
            )
        return picture

    return StoredDepth(
        pictures[0].parent, len(pictures), frame, lambda number: str(pictures[number])
    )


def _open_npz(path: Path, arrays: dict[str, np.ndarray]) -> StoredDepth:
    if "depth" not in arrays:
        raise DepthError(
            f"there is no 'depth' in it, only {', '.join(sorted(arrays)) or 'nothing'}"
        )
    depth = arrays["depth"]
    if depth.ndim == 4 and 1 in (depth.shape[1], depth.shape[3]):
        depth = depth[:, 0] if depth.shape[1] == 1 else depth[..., 0]
    if depth.ndim != 3 or 0 in depth.shape or depth.dtype.kind not in "fiu":
        raise DepthError(
            f"depth must be numbers [N, H, W], it is {depth.dtype} {list(depth.shape)}"
        )
    intrinsics = None
    if "intrinsics" in arrays:
        intrinsics = check_intrinsics(arrays["intrinsics"], len(depth))
    name = f"{path}: frame {{}}".format
    return StoredDepth(path, len(depth), depth.__getitem__, name, intrinsics)
