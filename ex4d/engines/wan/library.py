"""diffsynth, imported when it is needed and kept quiet."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import io
import sys
from typing import TYPE_CHECKING, Any

import torch

from ex4d.errors import MissingPartError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["INSTALL", "import_diffsynth", "import_torchvision", "without_values"]

INSTALL = 'pip install "ex4d[wan]"'
_kept_alive: list[Any] = []  # operators vanish with their library object


def import_diffsynth(module: str) -> Any:
    """Import `diffsynth.<module>` without its prints. Raises MissingPartError."""
    name = f"diffsynth.{module}"
    if name in sys.modules:
        return sys.modules[name]
    _declare_torchvision_operators()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return importlib.import_module(name)
    except ImportError as error:
        raise MissingPartError(f"the engine wan needs diffsynth ({error}): {INSTALL}") from None


def import_torchvision(module: str) -> Any:
    """Import `torchvision.<module>`. Raises MissingPartError."""
    try:
        _declare_torchvision_operators()
        return importlib.import_module(f"torchvision.{module}")
    except ImportError as error:  # also PackageNotFoundError, when the version is asked for
        raise MissingPartError(f"torchvision is needed ({error}): {INSTALL}") from None


def _declare_torchvision_operators() -> None:
    """Let a torchvision that was built for CUDA load beside a torch without it.

    Its compiled part does not load then, and its Python part fails for want of two operators that
    nothing here calls: "operator torchvision::nms does not exist" (torchvision 0.28.0).
    """
    if _kept_alive or torch.version.cuda is not None or "torchvision" in sys.modules:
        return
    if sys.platform != "linux" or "+cpu" in importlib.metadata.version("torchvision"):
        return
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _kept_alive.append(library)


@contextlib.contextmanager
def without_values() -> Iterator[None]:
    """Make models whose parameters have shapes but take no memory, until weights are assigned.

    Tensors that are no parameters, such as tables of positions, are computed as always.
    """
    with import_diffsynth("core.vram.initialization").skip_model_initialization():
        yield
