"""What a server's machine can do, as `welcome` tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backend.log import JobLog
from backend.text import without_folders
from ex4d.depth.estimators.catalogue import DEFAULT, ESTIMATORS
from ex4d.depth.estimators.loading import INSTALL, missing_packages, missing_weights
from ex4d.engines.catalogue import ENGINES
from ex4d.engines.choose import choose_engine
from ex4d.engines.wan.folder import find_models
from ex4d.errors import Ex4dError
from ex4d.weights.folder import default_folder
from protocol.messages import EngineInfo, EstimatorInfo

if TYPE_CHECKING:
    from pathlib import Path

    from ex4d.engines.base import EngineOptions

__all__ = ["engines_of", "estimators_of", "extra_of"]
_log = JobLog("offers")  # for who runs the server: clients are told without the advice


def engines_of(options: EngineOptions) -> list[EngineInfo]:
    """What this machine can generate with."""
    engines = []
    for name, entry in ENGINES.items():
        try:
            choose_engine(name, options)
            engines.append(EngineInfo(name, entry.label))
        except Ex4dError as error:
            _log.info("an engine cannot be used", name=name, reason=error)
            reason = without_folders(error.reason)
            engines.append(EngineInfo(name, name, available=False, reason=reason))
    return engines


def extra_of(options: EngineOptions) -> dict[str, str]:
    """What else this machine can do; see `welcome` in SPEC.md."""
    folder = options.models or default_folder()
    lora = find_models(folder, options.checkpoint, options.steps_lora).steps_lora
    return {} if lora is None else {"steps_lora": lora.name[:1000]}


def estimators_of(models: Path) -> list[EstimatorInfo]:
    """What this machine can estimate depth with, the default first. `models`: the folder of all
    weights."""
    entries = sorted(ESTIMATORS.values(), key=lambda entry: entry.name != DEFAULT)
    found = []
    for entry in entries:
        problem = missing_packages(entry)
        if problem:
            _log.info(
                "an estimator cannot be used", name=entry.name, reason=f"{problem}: {INSTALL}"
            )
        if not problem and missing_weights(entry, models):
            size_gib = sum(part.size_gib for part in entry.parts)
            note = f"fetched at its first use, {size_gib:g} GiB"
        else:
            note = without_folders(problem)
        found.append(
            EstimatorInfo(
                entry.name,
                entry.label,
                entry.gives,
                entry.licence,
                entry.is_commercial,
                available=not problem,
                reason=note,
            )
        )
    return found
