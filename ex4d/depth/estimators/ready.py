"""An estimator brought to where it can work: allowed, installed, its weights here, loaded."""

from __future__ import annotations

import importlib
import importlib.util
from functools import partial
from typing import TYPE_CHECKING

from ex4d.depth.estimators.catalogue import EstimatorEntry, estimator_named
from ex4d.download import fetch
from ex4d.errors import MissingPartError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ex4d.depth.estimators.base import Estimator
    from ex4d.download import Part

__all__ = ["missing_packages", "missing_weights", "ready_estimator"]


def missing_packages(entry: EstimatorEntry) -> str:
    """What an estimator lacks on this machine, and how to get it; nothing when all is there."""
    absent = [need for need in entry.needs if importlib.util.find_spec(need) is None]
    return f'{entry.label} needs {", ".join(absent)}: pip install "ex4d[depth]"' if absent else ""


def missing_weights(entry: EstimatorEntry, models: Path) -> list[Part]:
    """The parts of an estimator's weights that are not in the folder of all models."""
    return [
        part
        for part in entry.parts
        if not all(any((models / part.folder).glob(name)) for name in part.files)
    ]


def ready_estimator(
    name: str,
    models: Path,
    *,
    only_commercial: bool = False,
    endpoint: str | None = None,  # of the hub
    report: Callable[[Part, str], None] = lambda part, text: None,
) -> Estimator:
    """Load an estimator on the GPU, or the CPU where there is none; fetch its weights before, if
    they are not here yet. `report` gets a line for each file that is fetched, and may raise.

    Raises UsageError for a name that is unknown or not allowed, MissingPartError without the
    packages that it needs, DownloadError and OutputError when its weights cannot be fetched (the
    text says where to put them), WeightsError when they are damaged.
    """
    entry = estimator_named(name, only_commercial=only_commercial)
    problem = missing_packages(entry)
    if problem:
        raise MissingPartError(f"{problem}; or give the depth as files")
    for part in missing_weights(entry, models):
        fetch(part, models, endpoint=endpoint, report=partial(report, part))
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    folders = [models / part.folder for part in entry.parts]
    estimator: Estimator = importlib.import_module(entry.module).load(folders, device)
    return estimator
