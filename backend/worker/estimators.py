"""Depth estimators of a worker: kept warm between jobs, one at a time."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

from ex4d.depth.estimators.catalogue import DEFAULT, estimator_named
from ex4d.depth.estimators.loading import ready_estimator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ex4d.depth.estimators.base import Estimator
    from protocol.messages.jobs import DepthEstimate

__all__ = ["WarmEstimator", "empty_gpu_cache"]

_GIB = 1 << 30


class WarmEstimator:
    """The estimator that was used last."""

    def __init__(self, models: Path, make_room: Callable[[], None]) -> None:
        """`models` is the folder of the weights; `make_room` releases other models when the GPU
        has too little memory for both."""
        self._models = models
        self._make_room = make_room
        self._loaded: tuple[str, Estimator] | None = None

    def get(self, wanted: DepthEstimate, report: Callable[[str, int, int], None]) -> Estimator:
        """The estimator that a job names, its weights fetched if they are not here. `report` is
        told of stages, and may raise.

        Raises what ready_estimator raises.
        """
        only_commercial = wanted.only_commercial
        entry = estimator_named(wanted.estimator or DEFAULT, only_commercial=only_commercial)
        if self._loaded is not None and self._loaded[0] == entry.name:
            return self._loaded[1]
        self.free()
        if _free_gpu_bytes() < entry.memory_gib * _GIB:
            self._make_room()
        report("download", 0, 1)
        estimator = ready_estimator(
            entry.name,
            self._models,
            only_commercial=only_commercial,
            report=lambda part, text: report("download", 0, 1),
        )
        self._loaded = entry.name, estimator
        return estimator

    def free(self) -> None:
        """Let go of it."""
        self._loaded = None
        empty_gpu_cache()


def empty_gpu_cache() -> None:
    """Give back what nobody holds any more; torch is not loaded for it."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _free_gpu_bytes() -> float:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return float("inf")
    free: int = torch.cuda.mem_get_info()[0]
    return free
