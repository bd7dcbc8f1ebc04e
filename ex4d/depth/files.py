"""`depth.npz`: the depth of a clip on disk.

Keys: `depth` [N, H, W], z-depth, where 0, NaN and inf are unknown; optional `intrinsics` [3, 3] or
[N, 3, 3] for that size.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ex4d.camera.trajectory import check_intrinsics, scale_intrinsics
from ex4d.depth.fill import fill_unknown, resize_depth
from ex4d.errors import CameraError, DepthError, UsageError
from ex4d.npz import read_npz
from ex4d.video.alignment import entries_for

if TYPE_CHECKING:
    from ex4d.video.reader import Clip

__all__ = ["ClipDepth", "depth_file", "read_depth"]

# Names that --depth will take once the estimators are part of this package.
_ESTIMATORS: tuple[str, ...] = ()
_SAME_ASPECT = 0.02
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClipDepth:
    """Depth of every frame of a clip, at its working size, all of it known."""

    depth: np.ndarray  # float32 [N, H, W], z-depth in scene units
    intrinsics: np.ndarray | None  # float64 [N, 3, 3] for that size, where the file has them
    unknown_share: float  # of the pixels in the file that were filled


def depth_file(source: str) -> Path:
    """The depth file that `--depth` means. Raises UsageError for the name of no file."""
    path = Path(source)
    if path.suffix == ".npz" or path.exists():
        return path
    known = ", ".join(_ESTIMATORS) or "none are built in yet"
    raise UsageError(
        f"unknown depth {source!r}: give a depth.npz file, or the name of an estimator ({known})"
    )


def read_depth(path: Path, clip: Clip) -> ClipDepth:
    """Read the depth for `clip`, resized to its working size, unknown pixels filled.

    Raises DepthError, naming the file, the frame and the value: no depth in the file, another
    number of frames, negative depth, a frame without any known depth.
    """
    arrays = read_npz(path, DepthError)
    try:
        return _clip_depth(arrays, clip)
    except (DepthError, CameraError) as error:
        raise DepthError(f"{path}: {error}") from None


def _clip_depth(arrays: dict[str, np.ndarray], clip: Clip) -> ClipDepth:
    if "depth" not in arrays:
        raise DepthError(
            f"there is no 'depth' in it, only {', '.join(sorted(arrays)) or 'nothing'}"
        )
    given = arrays["depth"]
    if given.ndim == 4 and 1 in (given.shape[1], given.shape[3]):
        given = given[:, 0] if given.shape[1] == 1 else given[..., 0]
    if given.ndim != 3 or 0 in given.shape or given.dtype.kind not in "fiu":
        raise DepthError(
            f"depth must be numbers [N, H, W], it is {given.dtype} {list(given.shape)}"
        )
    chosen = entries_for(clip, len(given))
    if chosen is None:
        raise DepthError(f"it has {len(given)} frames of depth, the clip has {len(clip.frames)}")
    height, width = clip.frames.shape[1:3]
    depth = np.empty((len(chosen), height, width), np.float32)
    n_unknown = 0
    for i, frame in enumerate(chosen):
        known = _known_or_zero(given[frame], int(frame))
        n_unknown += int((known == 0).sum())
        depth[i] = resize_depth(fill_unknown(known), (width, height))
    if abs(given.shape[2] / given.shape[1] / (width / height) - 1) > _SAME_ASPECT:
        given_size = f"{given.shape[2]}x{given.shape[1]}"
        _log.warning("depth of %s is stretched to %dx%d: another aspect", given_size, width, height)
    intrinsics = None
    if "intrinsics" in arrays:
        intrinsics = check_intrinsics(arrays["intrinsics"], len(given))[chosen]
        from_size = (given.shape[2], given.shape[1])
        intrinsics = scale_intrinsics(intrinsics, from_size, (width, height))
    return ClipDepth(depth, intrinsics, n_unknown / (len(chosen) * given[0].size))


def _known_or_zero(depth: np.ndarray, frame: int) -> np.ndarray:
    """One frame as float32 with 0 for unknown pixels."""
    with np.errstate(over="ignore"):
        depth = depth.astype(np.float32)
    depth = np.where(np.isfinite(depth), depth, np.float32(0))
    if depth.min() < 0:
        row, column = np.unravel_index(int(depth.argmin()), depth.shape)
        raise DepthError(
            f"frame {frame} has depth {depth.min():g} at row {row}, column {column}; "
            "depth must be positive, or 0 where it is unknown"
        )
    if not depth.any():
        raise DepthError(f"frame {frame} has no known depth: every pixel is 0, NaN or infinite")
    return depth
