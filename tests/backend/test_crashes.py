"""J4, J5: the server is killed at every checkpoint, and the next one makes the best of it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from backend.blobs import hash_file
from backend.checkpoints import CHECKPOINTS
from protocol.jobs import FINAL_STATES, JobState

from .conftest import OWNER, count_lines
from .crashing_server import KEY, steps_of

ROOT = Path(__file__).parents[2]
SCENARIOS = {  # at which points a plain job would not come by
    "before_failed": "fail",
    "after_failed": "fail",
    "before_cancel_request": "cancel",
    "after_cancel_request": "cancel",
    "before_cancelled": "cancel",
    "after_cancelled": "cancel",
    "before_forget": "forget",
    "after_forget": "forget",
}
CRASHES_BEFORE = {  # the moves that a server makes when it starts
    "before_queued": 1,
    "after_queued": 1,
    "before_interrupted": 2,
    "after_interrupted": 2,
}


@dataclass(frozen=True)
class Run:
    returncode: int
    was_taken: bool


@pytest.fixture
def crash(tmp_path):
    """A function that runs a server until it ends or kills itself."""

    def run(point: str, scenario: str) -> Run:
        module = "tests.backend.crashing_server"
        command = [sys.executable, "-m", module, tmp_path / "state", point, scenario]
        # The worker has the server's stderr: this returns when both have ended, or raises.
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        done = subprocess.run(command, cwd=ROOT, text=True, timeout=20, **pipes)
        return Run(done.returncode, "taken" in done.stdout)

    return run


def prepare(crash, point: str) -> str:
    """Bring a folder to the state from which a server passes the point; return the scenario."""
    if point not in CRASHES_BEFORE:
        return SCENARIOS.get(point, "plain")
    for _ in range(CRASHES_BEFORE[point]):
        assert crash("none", "loop").returncode == -9
    return "loop"


@pytest.mark.parametrize("point", CHECKPOINTS)
def test_j4_a_crash_loses_nothing_acknowledged_and_ends_nothing_twice(
    crash, make_service, tmp_path, point
):
    state = tmp_path / "state"
    scenario = prepare(crash, point)
    run = crash(point, scenario)
    assert run.returncode == -9, "the point was not passed"
    (state / "gate").touch()
    harness = make_service(root=state)
    known = harness.service.journal.entry_of_key(OWNER, KEY)
    assert known is not None or point in {"before_add", "after_forget"}
    assert known is None or run.was_taken or scenario == "loop" or point == "after_add"
    if scenario == "loop":  # it would go on killing
        assert known.info.state is JobState.INTERRUPTED if "inter" in point else JobState.QUEUED
        harness.service.cancel(OWNER, known.info.job_id)
        return
    job_id = harness.submit(*steps_of(state, scenario), key=KEY)
    assert known is None or job_id == known.info.job_id
    [info] = harness.ended(job_id)
    was_asked = point in {"after_cancel_request", "before_cancelled", "after_cancelled"}
    expected = {"fail": "failed", "cancel": "cancelled" if was_asked else "done"}
    assert info.state == expected.get(scenario, "done")
    check_history(harness, job_id, state)
    if point in {"after_done", "after_failed", "after_cancelled", "before_forget"}:
        assert count_lines(state / "executions") == 1  # what had ended was not done again


def check_history(harness, job_id, state):
    """One end, whole results, no leftovers."""
    events = harness.service.journal.events_since(job_id, 0)
    assert [event.state in FINAL_STATES for event in events].count(True) == 1
    for blob in events[-1].results.values():
        assert hash_file(harness.service.blobs.path_of(blob)) == blob
    assert list((state / "staging").iterdir()) == list((state / "scratch").iterdir()) == []


def test_j5_a_job_that_kills_its_server_is_interrupted_after_two_tries(crash, make_service):
    for _ in range(2):
        assert crash("none", "loop").returncode == -9
    harness = make_service()
    [info] = harness.service.jobs(OWNER)
    assert (info.state, info.error_code) == (JobState.INTERRUPTED, "interrupted")
    assert "2 times" in info.error_text
    assert harness.ended(harness.submit(("result", "out.txt", "fine")))[0].state is JobState.DONE
    assert harness.service.resume(OWNER, info.job_id).state is JobState.QUEUED
    harness.service.cancel(OWNER, info.job_id)


def test_j5_queued_jobs_survive_a_restart_in_their_order(make_service, tmp_path, gate):
    first = make_service()
    job_ids = [first.submit(("gate", str(gate)), key="a")]
    job_ids += [first.submit(("note", str(tmp_path / n)), key=n) for n in "bc"]
    first.reaches(job_ids[0], "gate")
    first.service.close()  # without a word to the job
    gate.touch()
    second = make_service()
    assert second.info(job_ids[0]).state is JobState.QUEUED
    second.ended(*job_ids)
    started = [event.job_id for event in second.events if event.state is JobState.DONE]
    assert started == job_ids
