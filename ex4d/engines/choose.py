"""An engine for a name, or the best that runs on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ex4d.engines.base import EngineOptions
from ex4d.engines.catalogue import ENGINES, EngineEntry, engine_named
from ex4d.errors import MissingPartError
from ex4d.runtime.packages import absent_packages

if TYPE_CHECKING:
    from ex4d.engines.base import Engine

__all__ = ["ENGINE_NAMES", "choose_engine"]

_AUTO = "auto"
ENGINE_NAMES = (_AUTO, *ENGINES)


def choose_engine(name: str = _AUTO, options: EngineOptions | None = None) -> tuple[Engine, str]:
    """Return the engine for a name and why it was taken, as a sentence for the console.

    Raises UsageError for an unknown name, MissingPartError when the engine cannot run here.
    """
    options = options or EngineOptions()
    if name != _AUTO:
        entry = engine_named(name)
        if problem := _problem(entry, options):
            raise problem
        return entry.make(options), "as asked"
    why_not = ""
    for entry in reversed(ENGINES.values()):
        reason = str(_problem(entry, options) or "")
        if not reason and entry.takes_a_gpu and not _has_gpu():
            reason = "there is no GPU for the diffusion engine"
        if not reason:
            return entry.make(options), why_not or "its weights and a GPU are here"
        why_not = why_not or reason
    raise MissingPartError(f"no engine can run here: {why_not}")


def _problem(entry: EngineEntry, options: EngineOptions) -> MissingPartError | None:
    """Why an engine cannot run; None when it can. Loads no torch."""
    if absent := absent_packages(entry.needs):
        return MissingPartError(
            f"the engine {entry.name} needs {', '.join(absent)}",
            advice=f"{entry.install}, or --engine preview",
        )
    return entry.lacking_weights(options)


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())
