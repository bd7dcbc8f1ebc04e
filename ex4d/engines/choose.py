"""The engines by name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ex4d.engines.base import EngineOptions
from ex4d.engines.preview import PreviewEngine
from ex4d.engines.wan.diffsynth import INSTALL, NEEDED
from ex4d.engines.wan.engine import WanEngine, load_from_files
from ex4d.engines.wan.folder import find_models, missing_files
from ex4d.errors import MissingPartError, UsageError
from ex4d.runtime.packages import absent_packages
from ex4d.weights.folder import default_folder

if TYPE_CHECKING:
    from ex4d.engines.base import Engine

__all__ = ["ENGINES", "choose_engine"]

ENGINES = ("auto", "preview", "wan")


def choose_engine(name: str = "auto", options: EngineOptions | None = None) -> tuple[Engine, str]:
    """Return the engine for a name and why it was taken, as a sentence for the console.

    Raises UsageError for an unknown name, MissingPartError when the engine cannot run here.
    """
    options = options or EngineOptions()
    if name == "preview":
        return PreviewEngine(), "as asked"
    if name not in ENGINES:
        raise UsageError(f"unknown engine {name!r}: choose from {', '.join(ENGINES)}")
    problem = _wan_problem(options)
    if name == "wan":
        if problem is not None:
            raise problem
        return WanEngine(partial(load_from_files, options)), "as asked"
    if problem is not None:
        return PreviewEngine(), str(problem)
    if not _has_gpu():
        return PreviewEngine(), "there is no GPU for the diffusion engine"
    return WanEngine(partial(load_from_files, options)), "its weights and a GPU are here"


def _wan_problem(options: EngineOptions) -> MissingPartError | None:
    """Why the engine wan cannot run; None when it can. Loads no torch."""
    absent = absent_packages(NEEDED)
    if absent:
        return MissingPartError(
            f"the diffusion engine wan needs {', '.join(absent)}",
            advice=f"{INSTALL}, or --engine preview",
        )
    if options.checkpoint is not None and not options.checkpoint.is_file():
        return MissingPartError(
            f"the diffusion engine wan cannot run, there is no file {options.checkpoint}"
        )
    folder = options.models or default_folder()
    missing = missing_files(find_models(folder, options.checkpoint))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return MissingPartError(
            f"the weights of the diffusion engine wan are missing ({missing[0]}{more})",
            advice="ex4d download, or --engine preview",
        )
    return None


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())
