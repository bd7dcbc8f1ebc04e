"""A dataset made from a folder of videos, or continued."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ex4d.errors import UsageError
from ex4d.files.manifest import Run
from ex4d.files.outputs import atomic_path, staged_folder
from ex4d.training.dataset import (
    DatasetSettings,
    clip_folder,
    is_dataset,
    read_dataset,
    write_settings,
)
from ex4d.training.processes import in_processes
from ex4d.training.sheets import CLIPS_ON_A_SHEET, SHEET_FOLDER, write_sheet
from ex4d.training.video_files import find_videos
from ex4d.training.videos import Rejection, make_clips

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ex4d.training.dataset import ClipRecord
    from ex4d.training.videos import MasksJob, VideoResult

__all__ = ["REJECTED_FILE", "MasksSummary", "Report", "make_dataset"]

Report = Callable[[int, int, int], None]  # videos done, videos in all, clips in the dataset

REJECTED_FILE = "rejected.jsonl"


@dataclass(frozen=True)
class MasksSummary:
    """What a run has done."""

    n_made: int  # clips
    n_kept: int  # clips that were there
    rejected: tuple[Rejection, ...]


def make_dataset(job: MasksJob, *, workers: int, report: Report) -> MasksSummary:
    """Make the clips that are not there yet, one video after the other, in `workers` processes, or
    in this one for 1; the same for any number. Then, or after each hundred clips, the contact
    sheets and the list of what was left out.

    Raises InputError for a folder without videos or a damaged dataset, UsageError for one of other
    settings, OutputError, MissingPartError, WeightsError, and TooLargeError when a worker was
    killed.
    """
    videos = find_videos(job.input_dir, job.dataset)
    kept = _open_dataset(job)
    tasks = [(job, video, frozenset(clip.first_frame for clip in kept[video])) for video in videos]
    names: list[str] = []
    rejected: list[Rejection] = []
    n_kept = n_sheets = n_done = 0

    def tell() -> None:
        n_clips = sum(1 for path in clip_folder(job.dataset, "").iterdir() if path.name[0] != ".")
        report(n_done, len(videos), n_clips)

    try:
        for video, result in zip(videos, _results(tasks, workers, tell), strict=True):
            clips = sorted((*kept[video], *result.made), key=lambda clip: clip.first_frame)
            names += [clip.name for clip in clips]
            rejected += result.rejected
            n_kept += len(kept[video])
            n_done += 1
            while len(names) >= CLIPS_ON_A_SHEET * (n_sheets + 1):
                n_sheets = _write_sheet(job.dataset, n_sheets, names)
                _write_rejected(job.dataset, rejected)
            tell()
    finally:
        _write_rejected(job.dataset, rejected)
    if len(names) > CLIPS_ON_A_SHEET * n_sheets:
        _write_sheet(job.dataset, n_sheets, names)
    return MasksSummary(len(names) - n_kept, n_kept, tuple(rejected))


def _results(
    tasks: list[tuple[MasksJob, str, frozenset[int]]], workers: int, tell: Callable[[], None]
) -> Iterator[VideoResult]:
    if workers == 1:
        return (make_clips(*task, made=tell) for task in tasks)
    return in_processes(make_clips, tasks, min(workers, len(tasks)), tell)


def _open_dataset(job: MasksJob) -> dict[str, list[ClipRecord]]:
    """Check what was made before, or begin; the clips that are there, by their source."""
    kept = defaultdict(list)
    clips = clip_folder(job.dataset, "")
    if is_dataset(job.dataset):
        before = read_dataset(job.dataset)
        _check_same(job, before.settings)
        for clip in before.clips:
            kept[clip.source].append(clip)
    else:
        for name in (clips.name, SHEET_FOLDER, REJECTED_FILE):
            if os.path.lexists(job.dataset / name):
                raise UsageError(f"{job.dataset} holds {name}, but not of ex4d masks: give another")
        with staged_folder(job.dataset, Run("masks")) as staging:
            write_settings(staging, job.settings)
    clips.mkdir(exist_ok=True)
    return kept


def _check_same(job: MasksJob, before: DatasetSettings) -> None:
    for name, asked in asdict(job.settings).items():
        there = getattr(before, name)
        if there != asked:
            raise UsageError(
                f"{job.dataset} was made with other settings: {name} is {there} there, and {asked} "
                "was asked for; give another --output_dir, or the same settings"
            )


def _write_sheet(dataset: Path, n_sheets: int, names: list[str]) -> int:
    """Write the next sheet; return how many there are then."""
    first = CLIPS_ON_A_SHEET * n_sheets
    write_sheet(dataset, n_sheets + 1, names[first : first + CLIPS_ON_A_SHEET])
    return n_sheets + 1


def _write_rejected(dataset: Path, rejected: list[Rejection]) -> None:
    shown = ("source", "first_frame", "reason")
    lines = [json.dumps({key: getattr(one, key) for key in shown}) + "\n" for one in rejected]
    with atomic_path(dataset / REJECTED_FILE) as temporary:
        temporary.write_text("".join(lines), "ascii")
