"""The depth of a clip, from files."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ex4d.camera.meant_size import meant_size
from ex4d.camera.trajectory import scale_intrinsics
from ex4d.convention import EXACT, Convention
from ex4d.depth.cleaning import FOR_FILES, DepthCleaning, clean_edges, limit_sky
from ex4d.depth.depth_files import StoredDepth, open_depth
from ex4d.depth.fill import fill_unknown, resize_depth
from ex4d.depth.reading import FAR, DepthReading, Ends
from ex4d.errors import DepthError
from ex4d.files.budget import COMMAND_LINE, Budget
from ex4d.files.names import names_in_words
from ex4d.files.npz import write_npz
from ex4d.video.alignment import entries_for

if TYPE_CHECKING:
    from ex4d.video.reader import Clip

__all__ = ["ClipDepth", "Lens", "LensFrom", "read_depth", "write_depth"]

_SAME_ASPECT = 0.02
LensFrom = Literal["given", "depth", "assumed"]


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

    def or_solved(self, intrinsics: np.ndarray, size: tuple[int, int], clip: Clip) -> Lens:
        """With the intrinsics [N, 3, 3] of the solved camera of `clip`, which are for pictures of
        `size` (W, H), where no lens was given."""
        if self.given is not None:
            return self
        working = clip.frames.shape[2], clip.frames.shape[1]
        return replace(self, given=scale_intrinsics(intrinsics, size, working))

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
    notes: tuple[str, ...] = ()  # sentences: what was chosen in its files, and what was not used
    warnings: tuple[str, ...] = ()  # sentences: what was assumed of them


def read_depth(
    source: str | Path | StoredDepth,
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
    if isinstance(source, str | Path):
        stored = open_depth(Path(source), reading.layer, budget)
    else:
        stored = source
    chosen = entries_for(clip, stored.n_frames)
    if chosen is None:
        raise DepthError(
            f"{stored.path} has {stored.n_frames} frames of depth, the clip has {len(clip.frames)}"
        )
    n_frames, height, width = clip.frames.shape[:3]
    stored_size = stored.size
    lens = lens or Lens.of(clip)
    of_depth, said = None, ""
    if lens.given is None:
        of_depth, said = _intrinsics_of(stored, chosen, clip)
    intrinsics, lens_from = lens.choose(n_frames, of_depth)
    stored_lens = scale_intrinsics(intrinsics, (width, height), stored_size)
    depth = np.empty((n_frames, height, width), np.float32)
    n_unknown, ends = 0, Ends()
    with closing(stored):
        for i, number in enumerate(map(int, chosen)):
            values = stored.frame(number)
            ends.add(values)
            frame = _frame(values, stored.name(number), reading, stored_lens[i], cleaning)
            n_unknown += int((frame == 0).sum())
            depth[i] = resize_depth(fill_unknown(frame, cleaning.holes), (width, height))
    warnings = [said, ends.check(stored.path, reading), _aspect_note(stored, (width, height))]
    limit_sky(depth, cleaning)
    clean_edges(depth, clip.frames, cleaning)
    n_pixels = n_frames * stored_size[0] * stored_size[1]
    return ClipDepth(
        depth,
        intrinsics,
        lens_from,
        n_unknown / n_pixels,
        notes=_notes(stored),
        warnings=tuple(warning for warning in warnings if warning),
    )


def _notes(stored: StoredDepth) -> tuple[str, ...]:
    notes = [stored.said] if stored.of_several else []
    if stored.others:
        notes.append(f"{stored.path} also holds {names_in_words(stored.others)}: not used")
    return tuple(notes)


def write_depth(path: Path, given: ClipDepth) -> None:
    """Write a `depth.npz` that `read_depth` reads back bit for bit. Raises OutputError."""
    size = np.array(given.depth.shape[:0:-1], np.int64)
    write_npz(path, {"depth": given.depth, "intrinsics": given.intrinsics, "size": size})


def _intrinsics_of(
    stored: StoredDepth, chosen: np.ndarray, clip: Clip
) -> tuple[np.ndarray | None, str]:
    """The intrinsics [N, 3, 3] that come with the depth, for the clip's working size. Where their
    principal point tells that they are for pictures of another size, as the video's own, they are
    taken so, and a sentence says it. Raises DepthError when it lies outside of the depth's
    pictures."""
    said = ""
    if stored.intrinsics is None:
        return None, said
    size = clip.frames.shape[2], clip.frames.shape[1]
    first = stored.intrinsics[chosen[0]]
    meant: tuple[float, float] | None = stored.lens_size or meant_size(first, [stored.size])
    if meant is None:  # not for the depth's own size, as it should be, unless the lens is shifted
        meant = meant_size(first, (size, clip.native_size), stored.size)
        if meant is not None:
            size_text = f"{meant[0]:g}x{meant[1]:g}"
            said = (
                f"intrinsics in {stored.path} are for {size_text} pixels by their principal point, "
                f"the depth has {stored.size[0]}x{stored.size[1]}"
            )
    if meant is None:
        x, y = first[:2, 2]
        width, height = stored.size
        if not (0 <= x <= width and 0 <= y <= height):
            raise DepthError(
                f"{stored.path}: the intrinsics have their principal point at {x:g}, {y:g}, "
                f"outside of the depth's {width}x{height} pixels; name their size in it as 'size', "
                "or give the lens"
            )
        meant = stored.size
    return scale_intrinsics(stored.intrinsics[chosen], meant, size), said


def _frame(
    values: np.ndarray,
    name: str,
    reading: DepthReading,
    intrinsics: np.ndarray,
    cleaning: DepthCleaning,
) -> np.ndarray:
    """One frame as float32 with 0 for unknown pixels; what is infinitely far is FAR or unknown."""
    try:
        depth = reading.depth_of(values, intrinsics)
    except DepthError as error:
        raise DepthError(f"{name} has {error}") from None
    depth[np.isinf(depth)] = 0 if cleaning.sky_distance == 0 else FAR
    if not depth.any():
        raise DepthError(f"{name} has no known depth: every pixel is 0, NaN or infinite")
    return depth


def _aspect_note(stored: StoredDepth, size: tuple[int, int]) -> str:
    """A sentence for depth that is stretched, unless its pixels say that they are oblong."""
    ratio = stored.size[0] / stored.size[1] / (size[0] / size[1])
    if any(abs(ratio * aspect - 1) <= _SAME_ASPECT for aspect in (1, stored.pixel_aspect)):
        return ""
    given_size = f"{stored.size[0]}x{stored.size[1]}"
    return f"depth of {given_size} is stretched to {size[0]}x{size[1]}: another aspect"
