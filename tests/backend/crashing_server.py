"""A server that ends itself at a checkpoint: python -m tests.backend.crashing_server ROOT POINT
SCENARIO. It says `taken` when its job was acknowledged."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from backend.checkpoints import BLOB_POINTS
from backend.executors.local import LocalExecutor
from backend.service import JobService
from protocol.jobs import JobState

from .conftest import FAKE, OWNER, QUICK, Harness

KEY = "the key"


def steps_of(root: Path, scenario: str) -> list[tuple]:
    """What the scenario's job does."""
    note = ("note", str(root / "executions"))
    if scenario == "fail":
        return [note, ("raise_error", "ValueError", "no")]
    if scenario == "cancel":
        return [note, ("gate", str(root / "gate")), ("result", "out.txt", "fine")]
    if scenario == "loop":
        return [note, ("kill_server",)]
    return [note, ("progress", "render", 1, 2), ("result", "out.txt", "fine")]


def main() -> None:
    root, point, scenario = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    armed = point not in BLOB_POINTS

    def checkpoint(name: str) -> None:
        if armed and name == point:
            os.kill(os.getpid(), signal.SIGKILL)

    executor = LocalExecutor(runner=FAKE, limits=QUICK)
    harness = Harness(JobService(root, [executor], checkpoint=checkpoint), [executor])
    job_id = harness.submit(*steps_of(root, scenario), key=KEY)
    print("taken", flush=True)
    armed = True
    if scenario == "cancel":
        harness.reaches(job_id, "gate")
        harness.service.cancel(OWNER, job_id)
    [info] = harness.ended(job_id)
    if scenario == "forget" and info.state is JobState.DONE:
        harness.service.release(OWNER, job_id)
    harness.service.close()


if __name__ == "__main__":
    main()
