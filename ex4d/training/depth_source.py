"""Where the depth of a video's clips comes from: the one place that knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ex4d.convention import EXACT
from ex4d.depth.files import read_depth
from ex4d.errors import DepthError
from ex4d.npz import read_npz

if TYPE_CHECKING:
    from ex4d.video.reader import Clip

__all__ = ["KnownDepth", "VideoDepth", "find_depth"]


@dataclass(frozen=True)
class KnownDepth:
    """The depth of every frame of a clip, and the lens that it belongs to."""

    depth: np.ndarray  # float32 [T, H, W], all known
    intrinsics: np.ndarray  # float64 [T, 3, 3], pixels of that size
    unknown_share: float  # of the depth that was filled


@dataclass(frozen=True)
class VideoDepth:
    """The depth of all frames of one video, in a file."""

    path: Path
    name: str  # for the record of a clip

    def of(self, clip: Clip) -> KnownDepth:
        """The depth of one of the video's clips, at the clip's size.

        Raises DepthError, naming the file, as read_depth does, also when the file does not hold
        every frame of the video.
        """
        if len(clip.frames) != clip.n_file_frames:  # read_depth takes as many entries as it has too
            shape = np.shape(read_npz(self.path, DepthError).get("depth", ()))
            if shape and shape[0] != clip.n_file_frames:
                raise DepthError(
                    f"{self.path} has {shape[0]} frames of depth, "
                    f"the video has {clip.n_file_frames}"
                )
        given = read_depth(self.path, clip)
        intrinsics = given.intrinsics
        if intrinsics is None:
            n_frames, height, width = given.depth.shape
            matrix = EXACT.assumed_intrinsics(clip.native_size, (width, height), None)
            intrinsics = np.broadcast_to(matrix, (n_frames, 3, 3))
        return KnownDepth(given.depth, intrinsics, given.unknown_share)


def find_depth(input_dir: Path, source: str, depth_dir: Path | None) -> VideoDepth:
    """The depth file of a video, `source` relative to the input folder: NAME.npz beside it, or at
    the same place in a folder of depth files. Raises DepthError when there is none."""
    name = str(Path(source).with_suffix(".npz"))
    path = (depth_dir or input_dir) / name
    if not path.is_file():
        raise DepthError(f"there is no depth for it: no file {path}")
    return VideoDepth(path, name)
