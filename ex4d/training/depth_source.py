"""Where the depth of a video's clips comes from: the one place that knows."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from ex4d.depth.depth_files import StoredDepth, open_depth
from ex4d.depth.estimate import estimate_depth
from ex4d.depth.estimators.loading import ready_estimator
from ex4d.depth.files import ClipDepth, Lens, read_depth
from ex4d.errors import DepthError
from ex4d.files.names import names_in_words
from ex4d.training.video_files import videos_of_stem
from ex4d.weights.folder import default_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from ex4d.depth.estimators.base import Estimator
    from ex4d.video.reader import Clip

__all__ = ["DepthSource", "VideoDepth", "find_depth"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DepthSource:
    """Where depth is looked for: in files first, then by an estimator."""

    folder: Path | None = None  # of depth files; None: beside the videos
    estimator: str | None = None  # for videos without a file
    models: Path = field(default_factory=default_folder)  # folder of the estimator's weights


@dataclass(frozen=True, eq=False)
class VideoDepth:
    """The depth of one video."""

    name: str  # for the record of a clip
    of: Callable[[Clip], ClipDepth]  # one of its clips, at the clip's size; raises DepthError


def find_depth(input_dir: Path, source: str, where: DepthSource) -> VideoDepth:
    """The depth of a video, `source` relative to the input folder: NAME.MP4.npz or NAME.npz beside
    it, or at the same place in the folder of depth files, or estimated. Raises DepthError when
    there is none, and for a NAME.npz that may be that of several videos."""
    folder = where.folder or input_dir
    for name in (f"{source}.npz", Path(source).with_suffix(".npz").as_posix()):
        path = folder / name
        if path.is_file():
            _check_owner(path, input_dir, source)
            return VideoDepth(name, partial(_stored, open_depth(path)))
    if where.estimator is not None:
        return VideoDepth(where.estimator, partial(_estimated, where.estimator, where.models))
    raise DepthError(f"there is no depth for it: no file {path}, and no --estimator was given")


def _check_owner(path: Path, input_dir: Path, source: str) -> None:
    """Raise DepthError for a file that is named as the depth of more than one video."""
    own = Path(source).name
    others = [name for name in videos_of_stem(input_dir, source) if name != own]
    if others and path.stem != own:
        raise DepthError(
            f"{path} may be the depth of {own} or of {names_in_words(others)}: call it {own}.npz, "
            "or that of the other"
        )


def _stored(stored: StoredDepth, clip: Clip) -> ClipDepth:
    """What a file holds for a clip; it must hold every frame of the video."""
    if stored.n_frames != clip.n_file_frames:
        raise DepthError(
            f"{stored.path} has {stored.n_frames} frames of depth, "
            f"the video has {clip.n_file_frames}"
        )
    depth = read_depth(stored, clip)
    for warning in depth.warnings:
        _log.warning("%s", warning)
    return depth


def _estimated(name: str, models: Path, clip: Clip) -> ClipDepth:
    """A clip's depth, estimated by itself: clips of one video need not agree on a scale."""
    return estimate_depth(_estimator(name, models), clip.frames, Lens.of(clip))


@cache
def _estimator(name: str, models: Path) -> Estimator:
    """Each worker loads it once."""
    return ready_estimator(name, models)
