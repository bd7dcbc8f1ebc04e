"""The engines by name."""

from __future__ import annotations

import importlib.util
from functools import partial
from typing import TYPE_CHECKING

from ex4d.engines.base import EngineOptions
from ex4d.engines.preview import PreviewEngine
from ex4d.engines.wan.engine import WanEngine, load_from_files
from ex4d.engines.wan.folder import find_models, missing_files
from ex4d.errors import MissingPartError, UsageError
from ex4d.models_folder import default_folder

if TYPE_CHECKING:
    from ex4d.engines.base import Engine

__all__ = ["ENGINES", "choose_engine", "wan_problem"]

ENGINES = ("auto", "preview", "wan")
_NEEDED = ("torch", "torchvision", "safetensors", "diffsynth")


def choose_engine(name: str = "auto", options: EngineOptions | None = None) -> tuple[Engine, str]:
    """Return the engine for a name and why it was taken, as a sentence for the console.

    Raises UsageError for an unknown name, MissingPartError when the engine cannot run here.
    """
    options = options or EngineOptions()
    if name == "preview":
        return PreviewEngine(), "as asked"
    if name not in ENGINES:
        raise UsageError(f"unknown engine {name!r}: choose from {', '.join(ENGINES)}")
    problem = wan_problem(options)
    if name == "wan":
        if problem:
            raise MissingPartError(f"the engine wan cannot run: {problem}; or use --engine preview")
        return WanEngine(partial(load_from_files, options)), "as asked"
    if not problem and not _has_gpu():
        problem = "there is no GPU for the diffusion engine"
    if problem:
        return PreviewEngine(), problem
    return WanEngine(partial(load_from_files, options)), "its weights and a GPU are here"


def wan_problem(options: EngineOptions) -> str:
    """Why the diffusion engine cannot run, and what to do; nothing when it can. Loads no torch."""
    absent = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if absent:
        return f'the diffusion engine needs {", ".join(absent)}: pip install "ex4d[wan]"'
    if options.checkpoint is not None and not options.checkpoint.is_file():
        return f"there is no file {options.checkpoint}"
    folder = options.models or default_folder()
    missing = missing_files(find_models(folder, options.checkpoint))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return f"the diffusion engine's weights are missing ({missing[0]}{more}): ex4d download"
    return ""


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())
