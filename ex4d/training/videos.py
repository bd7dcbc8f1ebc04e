"""From a folder of videos to the clips of a dataset, one video at a time."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ex4d.errors import CameraError, DepthError, Ex4dError, InputError, WeightsError
from ex4d.files.outputs import atomic_folder
from ex4d.files.text_files import read_text
from ex4d.raster.cpu import CpuRasterizer
from ex4d.training.clip_masks import MaskTools, clip_masks
from ex4d.training.cropping import covering_size, cropped_frames, cropped_scene
from ex4d.training.dataset import VIDEO_FILE, ClipRecord, clip_folder, write_record
from ex4d.training.depth_source import DepthSource, find_depth
from ex4d.training.quality import depth_fault, picture_fault
from ex4d.training.sheets import clip_row, write_preview
from ex4d.training.tracking import make_tracker
from ex4d.video.reader import read_clips
from ex4d.video.writer import write_color, write_mask
from ex4d.weights.folder import default_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from ex4d.training.dataset import DatasetSettings
    from ex4d.training.depth_source import VideoDepth
    from ex4d.video.reader import Clip

__all__ = ["MasksJob", "Rejection", "VideoResult", "clip_name", "make_clips"]

_log = logging.getLogger(__name__)
_NAME_LENGTH = 60


@dataclass(frozen=True)
class MasksJob:
    """A dataset to be made."""

    input_dir: Path
    dataset: Path
    settings: DatasetSettings
    depth_dir: Path | None = None  # None: depth files lie beside the videos
    models: Path = field(default_factory=default_folder)  # folder of an estimator's weights

    @property
    def depth(self) -> DepthSource:
        """Where the depth of its videos comes from."""
        return DepthSource(self.depth_dir, self.settings.estimator, self.models)


@dataclass(frozen=True)
class Rejection:
    """A clip, or the rest of a video, that was left out."""

    source: str
    first_frame: int
    reason: str
    unexpected: bool = False  # a fault of this program


@dataclass(frozen=True)
class VideoResult:
    """What became of one video."""

    made: tuple[ClipRecord, ...]
    rejected: tuple[Rejection, ...]


def clip_name(source: str, first_frame: int) -> str:
    """A name for a clip's folder: unique, and good on every file system."""
    words = re.sub(r"[^A-Za-z0-9]+", "_", str(Path(source).with_suffix(""))).strip("_")
    digest = hashlib.sha256(os.fsencode(source)).hexdigest()[:8]
    return f"{words[-_NAME_LENGTH:]}-{digest}-{first_frame:06d}".lstrip("-")


def make_clips(
    job: MasksJob, source: str, kept: frozenset[int], *, made: Callable[[], None] = lambda: None
) -> VideoResult:
    """Make the clips of a video, less those whose first frame is in `kept`; `made` is called after
    each. What is wrong with a clip or the video becomes a rejection.

    Raises OutputError, MissingPartError for a tracker that is not there, and what ready_estimator
    raises.
    """
    settings = job.settings
    size = (settings.width, settings.height)
    records: list[ClipRecord] = []
    rejected: list[Rejection] = []
    first_frame = 0  # of the clip under way, or of the one to be read next
    try:
        depth = find_depth(job.input_dir, source, job.depth)
        for clip in read_clips(
            job.input_dir / source,
            lambda native_size: covering_size(native_size, size),
            num_frames=settings.num_frames,
            stride=settings.stride,
            skip=kept,
            reading=settings.reading,
        ):
            first_frame = int(clip.indices[0])
            if not records and not rejected:
                for note in clip.notes:
                    _log.warning("%s", note)
            outcome = _make_clip(job, source, clip, depth)
            if isinstance(outcome, ClipRecord):
                records.append(outcome)
                made()
            else:
                rejected.append(Rejection(source, first_frame, outcome))
            first_frame += settings.stride * settings.num_frames
    except WeightsError:  # an estimator's: no video would get depth
        raise
    except InputError as error:
        rejected.append(Rejection(source, first_frame, str(error)))
    except Ex4dError:
        raise
    except Exception as error:  # one video must not end a run of thousands
        _log.exception("%s, clip from frame %d", source, first_frame)
        reason = f"an unexpected error: {type(error).__name__}: {error}"
        rejected.append(Rejection(source, first_frame, reason, unexpected=True))
    return VideoResult(tuple(records), tuple(rejected))


def _make_clip(job: MasksJob, source: str, clip: Clip, depth: VideoDepth) -> ClipRecord | str:
    """Write one clip, and return its record; or why it is left out."""
    settings = job.settings
    frames = cropped_frames(clip, (settings.width, settings.height))
    fault = picture_fault(frames)
    if fault is not None:
        return fault
    try:
        given = depth.of(clip)
    except (CameraError, DepthError) as error:
        return str(error)
    scene = cropped_scene(frames, given)
    fault = depth_fault(scene.depth, given.unknown_share)
    if fault is not None:
        return fault
    first_frame = int(clip.indices[0])
    name = clip_name(source, first_frame)
    records, masks = zip(*clip_masks(name, scene, settings, _tools(settings.tracker)), strict=True)
    record = ClipRecord(
        name=name,
        source=source,
        first_frame=first_frame,
        stride=settings.stride,
        fps=clip.fps,
        depth=depth.name,
        prompt=_prompt(job.input_dir / source),
        masks=records,
    )
    with atomic_folder(clip_folder(job.dataset, name)) as folder:
        write_color(folder / VIDEO_FILE, frames, record.fps)
        for mask_record, mask in zip(records, masks, strict=True):
            write_mask(folder / mask_record.file, mask, record.fps)
        write_preview(folder, clip_row(record, frames, masks))
        write_record(folder, record)
    return record


@cache
def _tools(tracker: str) -> MaskTools:
    """One thread: there is a process for every core."""
    return MaskTools(CpuRasterizer(1), make_tracker(tracker))


def _prompt(video: Path) -> str:
    path = video.with_suffix(".txt")
    return " ".join(read_text(path, "replace").split()) if path.is_file() else ""
