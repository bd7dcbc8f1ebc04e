"""From what a job names to the library's own objects: the clip, its scene, the camera path."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from msgspec import structs

from ex4d.camera.trajectory import Trajectory, check_intrinsics
from ex4d.depth.cleaning import FOR_FILES
from ex4d.depth.cleaning import DepthCleaning as LibraryCleaning
from ex4d.depth.depth_files import StoredDepth, open_pictures
from ex4d.depth.files import Lens, read_depth
from ex4d.depth.reading import DepthReading as LibraryReading
from ex4d.errors import CameraError
from ex4d.files.budget import COMMAND_LINE, Budget
from ex4d.files.picture_names import is_picture
from ex4d.video.alignment import entries_for
from protocol.errors import InvalidArgument
from protocol.messages.jobs import DepthReading
from protocol.trajectory import unpack_intrinsics, unpack_trajectory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ex4d.depth.files import ClipDepth
    from ex4d.video.reader import Clip
    from protocol.messages.jobs import BlobId, DepthCleaning, DepthFiles, Source, TrajectoryArrays

__all__ = [
    "lens_of",
    "library_cleaning",
    "link_blob",
    "read_files",
    "safe_suffix",
    "trajectory_of",
]


def safe_suffix(name: str) -> str:
    """The suffix of a display name if it looks like one, `.mp4` otherwise: it names a file here."""
    match = re.search(r"\.[A-Za-z0-9]{1,8}\Z", name)
    return match.group().lower() if match else ".mp4"


def link_blob(inputs: Mapping[str, Path], blob: BlobId, link: Path) -> Path:
    """Give a blob a name that people and suffix-minded readers understand."""
    link.symlink_to(inputs[blob.sha256].absolute())
    return link


def lens_of(source: Source, clip: Clip) -> Lens:
    """What a job says of its clip's lens. Raises CameraError."""
    lens = Lens.of(clip, source.fov_deg)
    if source.lens is None:
        return lens
    n_entries = len(source.lens.intrinsics) // (4 * 8)
    try:
        given = unpack_intrinsics(source.lens.intrinsics, n_entries, "lens")
    except InvalidArgument as error:
        raise CameraError(error.text) from None
    given = given[_chosen(clip, n_entries, "the lens has {} frames")]
    given = check_intrinsics(given, len(clip.frames))
    return lens.or_solved(given, (source.lens.width, source.lens.height), clip)


def read_files(
    depth: DepthFiles,
    cleaning: DepthCleaning | None,
    paths: list[Path],
    clip: Clip,
    lens: Lens,
    *,
    budget: Budget = COMMAND_LINE,
) -> ClipDepth:
    """Read a clip's depth from the artist's files; the same as `ex4d recon` makes of them.

    Raises DepthError, UsageError.
    """
    reading = _library_reading(depth.reading)
    source: Path | StoredDepth = paths[0]
    if is_picture(paths[0].name):
        source = open_pictures(paths, reading.layer, budget)
    cleaned = library_cleaning(cleaning, FOR_FILES)
    return read_depth(source, clip, lens, reading=reading, cleaning=cleaned, budget=budget)


def _library_reading(given: DepthReading | None) -> LibraryReading:
    """A job's reading of depth files as the library's. Raises UsageError."""
    return LibraryReading(**structs.asdict(given or DepthReading()))


def library_cleaning(given: DepthCleaning | None, usual: LibraryCleaning) -> LibraryCleaning:
    """A job's cleaning of depth as the library's."""
    return usual if given is None else LibraryCleaning(**structs.asdict(given))


def trajectory_of(arrays: TrajectoryArrays, clip: Clip) -> Trajectory:
    """The camera path of a job, for its clip; entries for every frame of the file are cut to the
    clip's, as `ex4d recon --camera` does.

    Raises CameraError, naming the frame and the value, for everything that is wrong with it.
    """
    try:
        sent = unpack_trajectory(arrays)
    except InvalidArgument as error:
        raise CameraError(error.text) from None
    extrinsics, intrinsics, source_frames = sent.extrinsics, sent.intrinsics, sent.source_frames
    if source_frames is None:
        chosen = _chosen(clip, len(extrinsics), "the camera path has {} frames")
        extrinsics, intrinsics = extrinsics[chosen], intrinsics[chosen]
        source_frames = np.array([], np.int64)
    source = sent.source_extrinsics
    if source is not None:
        source = source[_chosen(clip, len(source), "source_extrinsics hold {} poses")]
    size = sent.width, sent.height
    trajectory = Trajectory(extrinsics, intrinsics, size, source_frames, source)
    trajectory.check_sources(len(clip.frames))
    return trajectory


def _chosen(clip: Clip, count: int, what: str) -> np.ndarray:
    chosen = entries_for(clip, count)
    if chosen is None:
        raise CameraError(f"{what.format(count)}, the clip has {len(clip.frames)} frames")
    return chosen
