"""Where the depth of a video's clips comes from: the one place that knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ex4d.depth.files import ClipDepth, read_depth
from ex4d.depth.stored import StoredDepth, open_depth
from ex4d.errors import DepthError

if TYPE_CHECKING:
    from ex4d.video.reader import Clip

__all__ = ["VideoDepth", "find_depth"]


@dataclass(frozen=True, eq=False)
class VideoDepth:
    """The depth of all frames of one video, in files."""

    stored: StoredDepth
    name: str  # for the record of a clip

    def of(self, clip: Clip) -> ClipDepth:
        """The depth of one of the video's clips, at the clip's size.

        Raises DepthError, naming the file, as read_depth does, also when the file does not hold
        every frame of the video.
        """
        if self.stored.n_frames != clip.n_file_frames:
            raise DepthError(
                f"{self.stored.path} has {self.stored.n_frames} frames of depth, "
                f"the video has {clip.n_file_frames}"
            )
        return read_depth(self.stored, clip)


def find_depth(input_dir: Path, source: str, depth_dir: Path | None) -> VideoDepth:
    """The depth file of a video, `source` relative to the input folder: NAME.npz beside it, or at
    the same place in a folder of depth files. Raises DepthError when there is none."""
    name = str(Path(source).with_suffix(".npz"))
    path = (depth_dir or input_dir) / name
    if not path.is_file():
        raise DepthError(f"there is no depth for it: no file {path}")
    return VideoDepth(open_depth(path), name)
