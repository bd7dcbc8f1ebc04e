"""masks: from a folder of videos to training clips with simulated masks"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from tqdm import tqdm

from ex4d.cli.console import say, say_fetched
from ex4d.cli.reading_flags import add_reading_flags
from ex4d.depth.estimators.catalogue import ESTIMATORS
from ex4d.depth.estimators.loading import prepare_estimator
from ex4d.errors import InputError, UsageError
from ex4d.raster.cpu import available_cores
from ex4d.training.dataset import DatasetSettings, MaskKind
from ex4d.training.dataset_creation import REJECTED_FILE, make_dataset
from ex4d.training.tracking import COMMERCIAL_TRACKERS, TRACKERS, make_tracker
from ex4d.training.videos import MasksJob
from ex4d.weights.folder import default_folder

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from ex4d.training.dataset_creation import Report

__all__ = ["add_arguments", "run"]

_log = logging.getLogger(__name__)
_KINDS: tuple[MaskKind, ...] = get_args(MaskKind)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    add = parser.add_argument
    add("--input_dir", required=True, type=Path, help="folder of videos, with its subfolders; one "
        "with pictures alone is a clip")  # fmt: skip
    add("--output_dir", required=True, type=Path, help="folder for the dataset, or one to continue")
    add("--depth_dir", type=Path, help="folder of depth files; default: NAME.npz beside each video")
    add("--estimator", choices=tuple(ESTIMATORS), help="of the depth of videos without a file")
    add("--models", type=Path, help="folder of its weights (default: the models folder)")
    add("--commercial", action="store_true", help="refuse models that are not for paid work")
    add("--width", type=int, default=512, help="of the clips, cut to its aspect (default 512)")
    add("--height", type=int, default=512, help="of the clips (default 512)")
    add("--num_frames", type=int, default=49, help="of a clip, 4 n + 1 (default 49)")
    add("--stride", type=int, default=1, help="take every n-th frame")
    add_reading_flags(parser)
    add(
        "--masks",
        default="rendering=2,reprojection=1,tracking=1",
        help="how many masks of each kind a clip gets (default %(default)s)",
    )
    trackers = "; ".join(f"{name}: {what}" for name, what in TRACKERS.items())
    add("--tracker", choices=tuple(TRACKERS), default="dis", help=trackers)
    add("--seed", type=int, default=0, help="of all masks (default 0)")
    add("--workers", type=int, help="processes; default: one for each core, or with --estimator as "
        "many as the GPU's memory holds")  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Make the dataset, or what is missing of it."""
    settings = _settings(arguments)
    if arguments.workers is not None and arguments.workers < 1:
        raise UsageError(f"--workers is {arguments.workers}; it must be at least 1")
    if arguments.depth_dir is not None and not arguments.depth_dir.is_dir():
        raise UsageError(f"there is no folder {arguments.depth_dir}")
    if settings.masks.get("tracking"):
        if arguments.commercial and settings.tracker not in COMMERCIAL_TRACKERS:
            raise UsageError(f"{TRACKERS[settings.tracker]}; --commercial refuses it")
        make_tracker(settings.tracker)  # one that is not there fails here
        say("tracker", TRACKERS[settings.tracker])
    models = arguments.models or default_folder()
    if settings.estimator is not None:
        only = arguments.commercial
        entry = prepare_estimator(
            settings.estimator, models, only_commercial=only, report=say_fetched
        )
        say("depth", f"{entry.label}, {entry.licence}, where there is no depth file")
    workers = arguments.workers or _usual_workers(arguments)
    job = MasksJob(arguments.input_dir, arguments.output_dir, settings, arguments.depth_dir, models)
    with _progress() as report:
        summary = make_dataset(job, workers=workers, report=report)
    folder, n_left_out = arguments.output_dir, len(summary.rejected)
    if summary.n_made + summary.n_kept == 0:
        first = summary.rejected[0]
        raise InputError(f"no video gave a clip; the first, {first.source}: {first.reason}")
    say("clips", f"{summary.n_made} made, {summary.n_kept} were there: {folder / 'clips'}")
    if n_left_out:
        say("left out", f"{n_left_out}, with reasons: {folder / REJECTED_FILE}")
    say("look at", f"the contact sheets in {folder / 'sheets'}")
    unexpected = [rejection for rejection in summary.rejected if rejection.unexpected]
    if unexpected:
        _log.warning("%d clips failed for an unexpected reason; please report it", len(unexpected))
    return 1 if unexpected else 0


def _usual_workers(arguments: argparse.Namespace) -> int:
    """One for each core, or as many as the GPU holds estimators."""
    if arguments.estimator is None:
        return available_cores()
    import torch

    if not torch.cuda.is_available():
        return 1  # an estimator uses all cores
    memory_gib = torch.cuda.get_device_properties(0).total_memory / (1 << 30)
    room = memory_gib / ESTIMATORS[arguments.estimator].memory_gib
    return max(1, min(int(room), available_cores()))


def _settings(arguments: argparse.Namespace) -> DatasetSettings:
    for name in ("width", "height"):
        side = getattr(arguments, name)
        if not 64 <= side <= 2048 or side % 16:
            raise UsageError(f"--{name} is {side}; it must be a multiple of 16 from 64 to 2048")
    if arguments.num_frames < 5 or arguments.num_frames % 4 != 1:
        raise UsageError(f"--num_frames is {arguments.num_frames}; it must be 5, 9, 13, ...")
    if arguments.stride < 1:
        raise UsageError(f"--stride is {arguments.stride}; it must be at least 1")
    return DatasetSettings(
        width=arguments.width,
        height=arguments.height,
        num_frames=arguments.num_frames,
        stride=arguments.stride,
        seed=arguments.seed,
        masks=_counts(arguments.masks),
        tracker=arguments.tracker,
        estimator=arguments.estimator,
        hdr=arguments.hdr,
        deinterlace=arguments.deinterlace,
    )


def _counts(text: str) -> dict[MaskKind, int]:
    """How many masks of each kind: "rendering=2,tracking=1"."""
    given: dict[str, int] = {}
    for part in text.split(","):
        kind, separator, count = part.strip().partition("=")
        if kind not in _KINDS or not separator or not count.isdecimal() or kind in given:
            kinds = ", ".join(_KINDS)
            raise UsageError(f"--masks has {part.strip()!r}: give KIND=COUNT, once each of {kinds}")
        given[kind] = int(count)
    if not any(given.values()):
        raise UsageError(f"--masks {text} asks for no mask at all")
    return {kind: given.get(kind, 0) for kind in _KINDS}


@contextmanager
def _progress() -> Iterator[Report]:
    """A progress bar on stderr, on a terminal only."""
    with tqdm(desc="masks    ", unit="video", disable=None, leave=False) as bar:

        def report(done: int, total: int, n_clips: int) -> None:
            bar.total = total
            bar.set_postfix(clips=n_clips, refresh=False)
            bar.update(done - bar.n)
            bar.refresh()

        yield report
