"""What the workers of the fault tests run: FakeRunner, which writes down each run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.backend.fake_engine import FakeRunner

if TYPE_CHECKING:
    from backend.settings import ServerSettings

__all__ = ["LoggedRunner"]


class LoggedRunner(FakeRunner):
    """Adds a line to the file RUN_LOG when a run begins and when it is finished. While the file
    DEVICE_GONE is there, its device does not work."""

    def __init__(self, device: str, settings: ServerSettings) -> None:
        super().__init__(device, settings)
        if Path(os.environ["DEVICE_GONE"]).exists():
            raise RuntimeError(f"{device} is gone: CUDA error 100")

    def run(self, context) -> list[str]:
        _note("began", context)
        results = super().run(context)
        _note("finished", context)
        return results


def _note(what: str, context) -> None:
    with open(os.environ["RUN_LOG"], "a") as file:  # one write: a crash leaves whole lines
        file.write(f"{what} {context._job_id} {os.getpid()}\n")
