"""J7, J8: cancelling, whenever it comes."""

from __future__ import annotations

import random
import threading
import time

import pytest

from backend.journal.journal import Change, Journal
from protocol.errors import UnknownJob
from protocol.messages.jobs import FINAL_STATES, BlobId, Generate, JobState

from .conftest import OWNER

OK = ("result", "out.txt", "fine")
JOB = Generate(BlobId("a" * 64, 1), BlobId("b" * 64, 1))


def test_j7_a_queued_job_is_cancelled_at_once(harness, gate):
    running = harness.submit(("gate", str(gate)))
    queued = harness.submit(OK)
    assert harness.service.cancel(OWNER, queued).state is JobState.CANCELLED
    harness.reaches(running, "gate")
    gate.touch()
    assert harness.ended(running, queued)[0].state is JobState.DONE


def test_j7_a_running_job_stops_between_steps_and_the_worker_stays(harness, gate):
    job_id = harness.submit(("gate", str(gate)))
    harness.reaches(job_id, "gate")
    pid = harness.executors[0].pid
    harness.service.cancel(OWNER, job_id)
    harness.service.cancel(OWNER, job_id)
    assert harness.ended(job_id)[0].state is JobState.CANCELLED
    assert harness.ended(harness.submit(OK))[0].state is JobState.DONE
    assert harness.executors[0].pid == pid


@pytest.mark.parametrize(
    ("before", "returncode"), [((), -15), ((("ignore_sigterm",),), -9)], ids=["sigterm", "sigkill"]
)
def test_j7_a_job_that_does_not_listen_is_ended_by_force(harness, gate, before, returncode):
    job_id = harness.submit(*before, ("deaf_gate", str(gate)))
    harness.reaches(job_id, "deaf gate")
    harness.service.cancel(OWNER, job_id)
    assert harness.ended(job_id)[0].state is JobState.CANCELLED
    assert harness.executors[0].returncode == returncode
    assert harness.ended(harness.submit(OK))[0].state is JobState.DONE


def test_j7_a_cancel_after_the_end_changes_nothing(harness):
    job_id = harness.submit(OK)
    [done] = harness.ended(job_id)
    assert harness.service.cancel(OWNER, job_id) == done
    assert harness.service.events_since(OWNER, job_id, done.sequence) == []


def test_j7_unknown_jobs_and_those_of_others_cannot_be_cancelled(harness):
    job_id = harness.submit(OK)
    with pytest.raises(UnknownJob):
        harness.service.cancel(OWNER, "no such job")
    with pytest.raises(UnknownJob):
        harness.service.cancel("mallory", job_id)
    assert harness.ended(job_id)[0].state is JobState.DONE


def test_j8_a_late_cancel_never_hits_the_next_job(harness, gate):
    first, second = harness.submit(OK), harness.submit(("deaf_gate", str(gate)), OK)
    harness.ended(first)
    harness.reaches(second, "deaf gate")
    harness.service.cancel(OWNER, first)
    executor = harness.executors[0]
    executor.cancel(first)
    assert executor.deadline_s() > time.monotonic() + 5  # no force is on its way
    gate.touch()
    assert harness.ended(second)[0].state is JobState.DONE


@pytest.mark.parametrize("seed", range(3))
def test_j8_of_many_racers_one_ends_each_job(tmp_path, seed):
    """8 threads start, cancel, finish and fail 50 jobs as they like."""
    journal = Journal(tmp_path)
    job_ids = [journal.add(f"key {n}", OWNER, JOB)[0].job_id for n in range(50)]
    moves = [
        (JobState.QUEUED, JobState.RUNNING),
        (JobState.QUEUED, JobState.CANCELLED),
        (JobState.RUNNING, JobState.CANCELLED),
        (JobState.RUNNING, JobState.DONE),
        (JobState.RUNNING, JobState.FAILED),
    ]
    barrier, won = threading.Barrier(8), []

    def race(number):
        choose = random.Random(100 * seed + number)  # noqa: S311
        barrier.wait()
        for job_id in job_ids:
            tried = choose.sample(moves, len(moves))
            change = Change(error_code=str(number))
            won.extend((job_id, move) for move in tried if journal.advance(job_id, *move, change))

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ends = [job_id for job_id, (_, to_state) in won if to_state in FINAL_STATES]
    assert sorted(ends) == sorted(job_ids)
    for job_id in job_ids:
        states = [event.state for event in journal.events_since(job_id, 0)]
        assert len(states) == len(set(states)) == 1 + [j for j, _ in won].count(job_id)
    journal.close()


@pytest.mark.parametrize("seed", range(2))
def test_j8_cancels_at_any_moment_leave_one_end_and_one_result_for_each_job(make_service, seed):
    harness, choose = make_service(2), random.Random(seed)  # noqa: S311
    job_ids = [harness.submit(("progress", "a", 0, 2), OK, key=f"key {n}") for n in range(30)]
    while any(harness.info(job_id).state not in FINAL_STATES for job_id in job_ids):
        harness.service.step(choose.choice([0, 0.001, 0.02]))
        if choose.random() < 0.3:  # else a slow disk lets none come to its end
            harness.service.cancel(OWNER, choose.choice(job_ids))
    for job_id in job_ids:
        states = [event.state for event in harness.service.events_since(OWNER, job_id, 0)]
        assert sum(state in FINAL_STATES for state in states) == 1
        assert bool(harness.info(job_id).results) == (states[-1] is JobState.DONE)
    assert {event.state for event in harness.events} >= {JobState.DONE, JobState.CANCELLED}
