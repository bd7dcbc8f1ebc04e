"""An estimator brought to where it can work: allowed, installed, its weights here, loaded."""

from __future__ import annotations

import importlib
from functools import partial
from typing import TYPE_CHECKING

from ex4d.depth.estimators.catalogue import ESTIMATORS, EstimatorEntry, estimator_named
from ex4d.errors import MissingPartError, TooLargeError
from ex4d.runtime.packages import absent_packages
from ex4d.weights.download import fetch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import torch

    from ex4d.depth.estimators.base import Estimator
    from ex4d.weights.download import Part

__all__ = [
    "INSTALL",
    "load_estimator",
    "missing_packages",
    "missing_weights",
    "prepare_estimator",
    "ready_estimator",
]

INSTALL = 'pip install "ex4d[depth]"'


def missing_packages(entry: EstimatorEntry) -> str:
    """What an estimator lacks on this machine, which INSTALL brings; nothing when all is there."""
    absent = absent_packages(entry.needs)
    return f"{entry.label} needs {', '.join(absent)}" if absent else ""


def missing_weights(entry: EstimatorEntry, models: Path) -> list[Part]:
    """The parts of an estimator's weights that are not in the folder of all models."""
    return [
        part
        for part in entry.parts
        if not all(any((models / part.folder).glob(name)) for name in part.files)
    ]


def prepare_estimator(
    name: str,
    models: Path,
    *,
    only_commercial: bool = False,
    endpoint: str | None = None,  # of the hub
    report: Callable[[Part, str], None] = lambda part, text: None,
) -> EstimatorEntry:
    """Fetch an estimator's weights, if they are not here yet. `report` gets a line for each file
    that is fetched, and may raise.

    Raises UsageError for a name that is unknown or not allowed, MissingPartError without the
    packages that it needs, DownloadError and OutputError when its weights cannot be fetched (the
    text says where to put them).
    """
    entry = estimator_named(name, only_commercial=only_commercial)
    problem = missing_packages(entry)
    if problem:
        raise MissingPartError(problem, advice=f"{INSTALL}; or give the depth as files")
    for part in missing_weights(entry, models):
        fetch(part, models, endpoint=endpoint, report=partial(report, part))
    return entry


def ready_estimator(
    name: str,
    models: Path,
    *,
    only_commercial: bool = False,
    endpoint: str | None = None,
    report: Callable[[Part, str], None] = lambda part, text: None,
) -> Estimator:
    """Prepare an estimator and load it on the GPU, or the CPU where there is none.

    Raises what prepare_estimator raises, WeightsError for damaged weights, TooLargeError.
    """
    entry = prepare_estimator(
        name, models, only_commercial=only_commercial, endpoint=endpoint, report=report
    )
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return load_estimator(entry, models, device)


def load_estimator(entry: EstimatorEntry, models: Path, device: torch.device) -> Estimator:
    """Load an estimator whose packages and weights are here.

    Raises WeightsError, and TooLargeError when the GPU has no room for it.
    """
    import torch

    folders = [models / part.folder for part in entry.parts]
    try:
        estimator: Estimator = importlib.import_module(entry.module).load(folders, device)
    except torch.OutOfMemoryError:
        lighter = [e.name for e in ESTIMATORS.values() if e.memory_gib < entry.memory_gib]
        advice = f"try {', '.join(lighter)}, or free" if lighter else "free"
        raise TooLargeError(
            f"{entry.label} needs {entry.memory_gib:g} GiB of the GPU's memory, and less is free: "
            f"{advice} what other programs hold"
        ) from None
    return estimator
