"""torchvision, also beside a torch without CUDA."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from typing import Any

import torch

from ex4d.errors import MissingPartError

__all__ = ["declare_torchvision_operators", "import_torchvision"]

_kept_alive: list[Any] = []  # operators vanish with their library object


def declare_torchvision_operators() -> None:
    """Let a torchvision that was built for CUDA load beside a torch without it.

    Call it before anything imports torchvision, as transformers does. Its compiled part does not
    load then, and its Python part fails for want of two operators that nothing here calls:
    "operator torchvision::nms does not exist" (torchvision 0.28.0).
    """
    if _kept_alive or torch.version.cuda is not None or "torchvision" in sys.modules:
        return
    if sys.platform != "linux" or importlib.util.find_spec("torchvision") is None:
        return
    if "+cpu" in importlib.metadata.version("torchvision"):
        return
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _kept_alive.append(library)


def import_torchvision(module: str) -> Any:
    """Import `torchvision.<module>`. Raises MissingPartError."""
    declare_torchvision_operators()
    try:
        return importlib.import_module(f"torchvision.{module}")
    except ImportError as error:
        raise MissingPartError(
            f"torchvision is needed ({error})", advice="pip install torchvision"
        ) from None
