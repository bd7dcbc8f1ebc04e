"""cache: encode the clips and masks of a dataset once, for training"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ex4d.cli.console import progress_bar, say
from ex4d.engines.wan.diffsynth import INSTALL, NEEDED
from ex4d.errors import InputError, MissingPartError, UsageError
from ex4d.runtime.packages import absent_packages
from ex4d.weights.folder import default_folder

if TYPE_CHECKING:
    import argparse

__all__ = ["add_arguments", "run"]

_log = logging.getLogger(__name__)
_MOST_TOLD = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    add = parser.add_argument
    add("--dataset", required=True, type=Path, help="folder made by ex4d masks")
    add("--output_dir", required=True, type=Path, help="folder for the cache, or one to continue")
    add("--models", type=Path, help="folder of the weights; default: $EX4D_MODELS")
    add("--flip", action="store_true", help="every clip once more, mirrored; twice the space")
    add("--devices", help="cuda:0,cuda:1 or cpu; a worker for each; default: all GPUs, or the CPU")


def run(arguments: argparse.Namespace) -> int:
    """Make the cache, or what is missing of it."""
    if absent := absent_packages(NEEDED):
        raise MissingPartError(f"ex4d cache needs {', '.join(absent)}", advice=INSTALL)
    from ex4d.training.cache.creation import CacheJob, make_cache

    models = arguments.models or default_folder()
    job = CacheJob(
        dataset=arguments.dataset,
        cache=arguments.output_dir,
        models=models,
        flip=arguments.flip,
        devices=_devices(arguments.devices),
    )
    say("encoding", f"on {', '.join(job.devices)}, with the weights in {models}")
    with progress_bar("cache", "clip") as report:
        summary = make_cache(job, report)
    for problem in summary.problems[:_MOST_TOLD]:
        _log.warning("left out: %s", problem)
    if summary.n_made + summary.n_kept == 0:
        raise InputError(f"no clip could be encoded; the first: {summary.problems[0]}")
    say("clips", f"{summary.n_made} encoded, {summary.n_kept} were there: {job.cache}")
    if summary.problems:
        say("left out", f"{len(summary.problems)}; run again when they are mended")
    if summary.n_others:
        _log.warning("%d clips in %s are not in the dataset: training reads them too, delete their "
                     "files if it should not", summary.n_others, job.cache)  # fmt: skip
    return 0


def _devices(text: str | None) -> tuple[str, ...]:
    import torch

    n_gpus = torch.cuda.device_count()
    if text is None:
        return tuple(f"cuda:{number}" for number in range(n_gpus)) or ("cpu",)
    names = tuple(name.strip() for name in text.split(","))
    known = {"cpu", "cuda", *(f"cuda:{number}" for number in range(n_gpus))}
    for name in names:
        if name not in known or (name == "cuda" and not n_gpus):
            raise UsageError(f"--devices has {name!r}; here are {n_gpus} GPUs and the CPU")
    return names
