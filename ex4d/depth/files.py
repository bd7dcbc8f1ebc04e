"""The depth of a clip, from files."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ex4d.budget import COMMAND_LINE, Budget
from ex4d.camera.trajectory import scale_intrinsics
from ex4d.convention import EXACT, Convention
from ex4d.depth.cleaning import FOR_FILES, DepthCleaning, clean_edges, limit_sky
from ex4d.depth.fill import fill_unknown, resize_depth
from ex4d.depth.reading import FAR, DepthReading
from ex4d.depth.stored import StoredDepth, open_depth
from ex4d.errors import DepthError
from ex4d.npz import write_npz
from ex4d.video.alignment import entries_for

if TYPE_CHECKING:
    from ex4d.video.reader import Clip

__all__ = ["ClipDepth", "Lens", "LensFrom", "read_depth", "write_depth"]

_SAME_ASPECT = 0.02
LensFrom = Literal["given", "depth", "assumed"]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Lens:
    """What is known of a clip's lens beside its depth: intrinsics float64 [N, 3, 3] for the working
    size, or [3, 3] for all frames."""

    assumed: np.ndarray  # where nothing else tells
    given: np.ndarray | None = None  # overrides what comes with the depth

    @classmethod
    def of(cls, clip: Clip, fov_deg: float | None = None, convention: Convention = EXACT) -> Lens:
        """The lens of a clip by its horizontal field of view, if that is known."""
        size = clip.frames.shape[2], clip.frames.shape[1]
        matrix = convention.assumed_intrinsics(clip.native_size, size, fov_deg)
        return cls(matrix, given=matrix if fov_deg is not None or convention.is_upstream else None)

    def choose(self, n_frames: int, of_depth: np.ndarray | None) -> tuple[np.ndarray, LensFrom]:
        """Intrinsics [N, 3, 3] of every frame, and who says so."""
        if self.given is not None:
            return np.broadcast_to(self.given, (n_frames, 3, 3)), "given"
        if of_depth is not None:
            return of_depth, "depth"
        return np.broadcast_to(self.assumed, (n_frames, 3, 3)), "assumed"


@dataclass(frozen=True, eq=False)
class ClipDepth:
    """Depth of every frame of a clip, at its working size, all of it known."""

    depth: np.ndarray  # float32 [N, H, W], z-depth in scene units
    intrinsics: np.ndarray  # float64 [N, 3, 3] for that size
    lens_from: LensFrom
    unknown_share: float = 0.0  # of the pixels that had to be filled
    world_to_camera: np.ndarray | None = None  # float64 [N, 4, 4], where the depth tells the path


def read_depth(
    source: Path | StoredDepth,
    clip: Clip,
    lens: Lens | None = None,
    *,
    reading: DepthReading | None = None,
    cleaning: DepthCleaning = FOR_FILES,
    budget: Budget = COMMAND_LINE,
) -> ClipDepth:
    """Read the depth for `clip`, resized to its working size, unknown pixels filled.

    `source` is what `open_depth` opens, or has opened. Raises DepthError, naming the file, the
    frame and the value: no depth in it, another number of frames, negative depth, a frame without
    any known depth.
    """
    reading = reading or DepthReading()
    stored = open_depth(source, reading.layer, budget) if isinstance(source, Path) else source
    chosen = entries_for(clip, stored.n_frames)
    if chosen is None:
        raise DepthError(
            f"{stored.path} has {stored.n_frames} frames of depth, the clip has {len(clip.frames)}"
        )
    n_frames, height, width = clip.frames.shape[:3]
    stored_size = stored.size
    of_depth = None
    if stored.intrinsics is not None:
        of_depth = scale_intrinsics(stored.intrinsics[chosen], stored_size, (width, height))
    intrinsics, lens_from = (lens or Lens.of(clip)).choose(n_frames, of_depth)
    stored_lens = scale_intrinsics(intrinsics, (width, height), stored_size)
    depth = np.empty((n_frames, height, width), np.float32)
    n_unknown = 0
    with closing(stored):
        for i, number in enumerate(map(int, chosen)):
            frame = _frame(stored, number, reading, stored_lens[i], cleaning)
            n_unknown += int((frame == 0).sum())
            depth[i] = resize_depth(fill_unknown(frame, cleaning.holes), (width, height))
    limit_sky(depth, cleaning)
    clean_edges(depth, clip.frames, cleaning)
    _note_aspect(stored_size, (width, height))
    n_pixels = n_frames * stored_size[0] * stored_size[1]
    return ClipDepth(depth, intrinsics, lens_from, n_unknown / n_pixels)


def write_depth(path: Path, given: ClipDepth) -> None:
    """Write a `depth.npz` that `read_depth` reads back bit for bit. Raises OutputError."""
    write_npz(path, {"depth": given.depth, "intrinsics": given.intrinsics})


def _frame(
    stored: StoredDepth,
    number: int,
    reading: DepthReading,
    intrinsics: np.ndarray,
    cleaning: DepthCleaning,
) -> np.ndarray:
    """One frame as float32 with 0 for unknown pixels; what is infinitely far is FAR or unknown."""
    values = stored.frame(number)
    try:
        depth = reading.depth_of(values, intrinsics)
    except DepthError as error:
        raise DepthError(f"{stored.name(number)} has {error}") from None
    depth[np.isinf(depth)] = 0 if cleaning.sky_distance == 0 else FAR
    if not depth.any():
        raise DepthError(
            f"{stored.name(number)} has no known depth: every pixel is 0, NaN or infinite"
        )
    return depth


def _note_aspect(stored_size: tuple[int, int], size: tuple[int, int]) -> None:
    if abs(stored_size[0] / stored_size[1] / (size[0] / size[1]) - 1) > _SAME_ASPECT:
        given_size = f"{stored_size[0]}x{stored_size[1]}"
        _log.warning("depth of %s is stretched to %dx%d: another aspect", given_size, *size)
