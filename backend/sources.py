"""From what a job names to the library's own objects: the clip, its scene, the camera path."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from ex4d.camera.trajectory import Trajectory
from ex4d.conditions.scene import Scene
from ex4d.convention import EXACT
from ex4d.depth.files import Lens, read_depth
from ex4d.errors import CameraError
from ex4d.video.alignment import entries_for
from ex4d.video.reader import Clip, FrameRange, read_clip

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ex4d.conditions.render import Progress
    from protocol.jobs import BlobId, Source, TrajectoryArrays

__all__ = ["link_blob", "read_scene", "safe_suffix", "trajectory_of"]


def safe_suffix(name: str) -> str:
    """The suffix of a display name if it looks like one, `.mp4` otherwise: it names a file here."""
    match = re.search(r"\.[A-Za-z0-9]{1,8}\Z", name)
    return match.group().lower() if match else ".mp4"


def link_blob(inputs: Mapping[str, Path], blob: BlobId, link: Path) -> Path:
    """Give a blob a name that people and suffix-minded readers understand."""
    link.symlink_to(inputs[blob.sha256].absolute())
    return link


def read_scene(
    source: Source,
    clip_path: Path,
    depth_path: Path,
    angle_deg: float,
    *,
    progress: Progress | None = None,
) -> _ClipScene:
    """Read a clip and its depth; the same as `ex4d recon` makes of the same settings. `progress`
    counts the clip's frames.

    Raises VideoError, DepthError, UsageError.
    """
    frames = FrameRange(source.start_frame, source.stride, source.num_frames)
    clip = read_clip(clip_path, frames, width=source.width, height=source.height, progress=progress)
    given = read_depth(depth_path, clip, Lens.of(clip, source.fov_deg))
    return clip, Scene(clip.frames, given.depth, given.intrinsics, angle_deg, EXACT)


_ClipScene = tuple[Clip, Scene]


def trajectory_of(arrays: TrajectoryArrays, clip: Clip) -> Trajectory:
    """The camera path of a job, for its clip; entries for every frame of the file are cut to the
    clip's, as `ex4d recon --camera` does.

    Raises CameraError, naming the frame and the value, for everything that is wrong with it.
    """
    n_frames = arrays.n_frames
    extrinsics = _array("extrinsics", arrays.extrinsics, "<f8", (n_frames, 4, 4))
    intrinsics = np.zeros((n_frames, 3, 3))
    lens = _array("intrinsics", arrays.intrinsics, "<f8", (n_frames, 4))
    intrinsics[:, [0, 1, 0, 1], [0, 1, 2, 2]] = lens
    intrinsics[:, 2, 2] = 1
    source_frames = np.array([], np.int64)
    if arrays.source_frames is not None:
        source_frames = _array("source_frames", arrays.source_frames, "<i8", (n_frames,))
    else:
        chosen = _chosen(clip, n_frames, "the camera path has {} frames")
        extrinsics, intrinsics = extrinsics[chosen], intrinsics[chosen]
    source = None
    if arrays.source_extrinsics is not None:
        n_poses = len(arrays.source_extrinsics) // (16 * 8)
        poses = _array("source_extrinsics", arrays.source_extrinsics, "<f8", (n_poses, 4, 4))
        source = poses[_chosen(clip, n_poses, "source_extrinsics hold {} poses")]
    size = arrays.width, arrays.height
    trajectory = Trajectory(extrinsics, intrinsics, size, source_frames, source)
    trajectory.check_sources(len(clip.frames))
    return trajectory


def _chosen(clip: Clip, count: int, what: str) -> np.ndarray:
    chosen = entries_for(clip, count)
    if chosen is None:
        raise CameraError(f"{what.format(count)}, the clip has {len(clip.frames)} frames")
    return chosen


def _array(name: str, data: bytes, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    expected = math.prod(shape) * 8
    if len(data) != expected:
        raise CameraError(f"{name} have {len(data)} bytes; {list(shape)} needs {expected}")
    return np.frombuffer(data, dtype).reshape(shape)
