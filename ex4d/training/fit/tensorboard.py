"""Curves for TensorBoard.

Written with tensorboardX: it needs protobuf alone, where TensorBoard itself brings a web server and
grpc, which only the machine that looks at the curves needs.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from ex4d.errors import MissingPartError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["TensorBoardCurves"]


class TensorBoardCurves:
    """Curves in a folder; those of steps from `step` on that an earlier run left are dropped.
    Use it with `with`. Raises MissingPartError."""

    def __init__(self, folder: Path, step: int) -> None:
        if importlib.util.find_spec("tensorboardX") is None:
            raise MissingPartError('ex4d train needs tensorboardX: pip install "ex4d[train]"')
        from tensorboardX import SummaryWriter

        # names count seconds: a run that goes on at once must not write over the file before
        self._writer: Any = SummaryWriter(
            str(folder), purge_step=step, flush_secs=10, filename_suffix=f".{step}"
        )

    def __enter__(self) -> TensorBoardCurves:
        return self

    def __exit__(self, *problem: object) -> None:
        self._writer.close()

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to each curve."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
