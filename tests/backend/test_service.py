"""The job service: one execution for a key, room, pins, results, shutdown."""

from __future__ import annotations

import errno
import hashlib
import sqlite3

import psutil
import pytest

from backend.errors import FolderInUse
from backend.executors.base import WorkerState
from protocol.errors import Busy, IdempotencyConflict, UnexpectedMessage, UnknownBlob, UnknownJob
from protocol.messages.jobs import BlobId, DepthFiles, Generate, JobState, Reconstruct, Source

from .conftest import OWNER, FakeClock, count_lines, quick_settings

GIB = 1 << 30
OK = ("result", "out.txt", "fine")


def test_j1_j3_one_execution_for_a_key_whenever_it_comes_again(harness, tmp_path, gate):
    notes = tmp_path / "notes"
    job = harness.job(("note", str(notes)), ("gate", str(gate)), OK)
    info, is_new = harness.service.submit(OWNER, "key", job)
    assert is_new
    again = []
    again.append(harness.service.submit(OWNER, "key", job))
    harness.reaches(info.job_id, "gate")
    again.append(harness.service.submit(OWNER, "key", job))
    gate.touch()
    [done] = harness.ended(info.job_id)
    again.append(harness.service.submit(OWNER, "key", job))
    assert [(i.job_id, new) for i, new in again] == [(info.job_id, False)] * 3
    assert again[-1][0] == done
    assert count_lines(notes) == 1


def test_j2_the_same_key_with_another_job_is_refused(harness):
    harness.submit(OK, key="key")
    with pytest.raises(IdempotencyConflict):
        harness.submit(OK, OK, key="key")


def test_j15_a_result_that_cannot_be_stored_is_not_seen_at_all(make_service):
    renames = []

    def checkpoint(name):
        if name == "before_rename":
            renames.append(name)
            if len(renames) == 4:  # two inputs, the first result, the second
                raise OSError(errno.ENOSPC, "No space left on device")

    harness = make_service(checkpoint=checkpoint)
    [info] = harness.ended(harness.submit(("result", "a", "A"), ("result", "b", "B")))
    assert (info.state, info.error_code, info.results) == (JobState.FAILED, "disk_full", {})
    assert len(renames) == 4
    assert not harness.service.blobs.has(BlobId(hashlib.sha256(b"A").hexdigest(), 1))
    assert harness.ended(harness.submit(OK))[0].state is JobState.DONE


def test_j15_results_beyond_the_quota_fail_the_job_with_need_and_have(make_service):
    harness = make_service(settings=quick_settings(store_gib=2000 / GIB))
    [info] = harness.ended(harness.submit(("big_result", "a", 3000)))
    assert info.error_code == "disk_full"
    assert "3000 bytes are needed" in info.error_text


def test_j15_a_result_that_was_never_written_fails_the_job(harness):
    [info] = harness.ended(harness.submit(("unwritten", "a")))
    assert (info.state, info.results) == (JobState.FAILED, {})


def test_j17_a_full_queue_is_said_at_once_and_known_keys_still_answered(make_service):
    harness = make_service(settings=quick_settings(queued_jobs=3))
    jobs = [harness.submit(OK, key=f"key {n}") for n in range(3)]
    with pytest.raises(Busy) as refusal:
        harness.submit(OK, key="one more")
    assert refusal.value.facts == {"queued": "3", "limit": "3"}
    assert harness.submit(OK, key="key 1") == jobs[1]
    harness.ended(*jobs)
    harness.ended(harness.submit(OK, key="one more"))


def test_a_job_whose_files_are_not_there_is_refused(harness):
    missing = BlobId("a" * 64, 3)
    with pytest.raises(UnknownBlob):
        harness.service.submit(OWNER, "key", Generate(missing, missing))
    assert harness.service.jobs(OWNER) == []


def test_t13_a_job_keeps_its_files_and_its_results_until_it_is_released(harness, gate):
    job = harness.job(("gate", str(gate)), OK)
    job_id = harness.service.submit(OWNER, "key", job)[0].job_id
    assert harness.service.blobs.collect() == 0
    harness.reaches(job_id, "gate")
    assert harness.service.blobs.collect() == 0
    gate.touch()
    [info] = harness.ended(job_id)
    harness.service.blobs.collect()
    assert not harness.service.blobs.has(job.color)
    assert harness.text_of(info.results["out.txt"]) == "fine"
    assert harness.service.release(OWNER, job_id) == info
    harness.synced()
    harness.service.blobs.collect()
    assert harness.service.blobs.used_bytes == 0


def test_t13_pins_are_known_again_after_a_restart(make_service, gate):
    first = make_service()
    done, waiting = first.submit(OK), first.submit(("gate", str(gate)), OK)
    first.ended(done)
    first.service.close()
    second = make_service()
    second.service.blobs.collect()
    assert second.text_of(second.info(done).results["out.txt"]) == "fine"
    gate.touch()
    assert second.ended(waiting)[0].state is JobState.DONE


def test_only_the_owner_sees_a_job_and_only_an_ended_one_can_be_released(harness, gate):
    job_id = harness.submit(("gate", str(gate)))
    assert [info.job_id for info in harness.service.jobs(OWNER)] == [job_id]
    assert harness.service.jobs("mallory") == []
    for ask in (harness.service.get, harness.service.release, harness.service.resume):
        with pytest.raises(UnknownJob):
            ask("mallory", job_id)
    with pytest.raises(UnknownJob):
        harness.service.events_since("mallory", job_id, 0)
    with pytest.raises(UnexpectedMessage):
        harness.service.release(OWNER, job_id)
    gate.touch()
    harness.ended(job_id)


def test_the_oldest_ended_jobs_make_room_for_new_ones(make_service):
    harness = make_service(settings=quick_settings(kept_jobs=2, kept_hours=0))
    job_ids = [harness.submit(OK, key=f"key {n}") for n in range(4)]
    harness.until(lambda: [i.job_id for i in harness.service.jobs(OWNER)] == job_ids[2:])


def test_two_workers_do_two_jobs_at_once(make_service, gate):
    harness = make_service(2)
    job_ids = [harness.submit(("gate", str(gate)), key=f"key {n}") for n in range(2)]
    for job_id in job_ids:
        harness.reaches(job_id, "gate")
    workers = harness.service.status().workers
    assert sorted(worker.job_id for worker in workers) == sorted(job_ids)
    assert len({worker.pid for worker in workers}) == 2
    gate.touch()
    harness.ended(*job_ids)


def test_t9_a_full_journal_disk_holds_the_end_of_a_job_back_until_there_is_room(make_service):
    is_full = [True]

    def checkpoint(name):
        if name == "before_done" and is_full:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            is_full.pop()
            raise error

    clock = FakeClock()
    harness = make_service(checkpoint=checkpoint, clock=clock)
    job_id = harness.submit(OK)
    harness.until(lambda: not is_full, "the full disk")
    for _ in range(3):
        harness.service.step()
        harness.service.blobs.collect()  # what waits to be told is kept
        assert harness.info(job_id).state is JobState.RUNNING
    assert 0 < harness.service.timeout_s() <= 1
    clock.now_s += 1
    harness.service.step()
    assert harness.text_of(harness.info(job_id).results["out.txt"]) == "fine"


def test_j19_draining_finishes_what_runs_and_leaves_the_rest_queued(harness, gate):
    running, queued = harness.submit(("gate", str(gate)), OK), harness.submit(OK)
    harness.reaches(running, "gate")
    harness.service.stop(drain=True)
    with pytest.raises(Busy, match="stopping"):
        harness.submit(OK)
    assert not harness.service.has_stopped
    gate.touch()
    harness.until(lambda: harness.service.has_stopped, "the stop")
    assert harness.info(running).state is JobState.DONE
    assert harness.info(queued).state is JobState.QUEUED


@pytest.mark.parametrize("wait", ["gate", "deaf_gate"])
def test_j19_stopping_returns_what_runs_to_the_queue_without_counting_it(harness, gate, wait):
    job_id = harness.submit((wait, str(gate)), OK)
    harness.reaches(job_id, wait.replace("_", " "))
    harness.service.stop(drain=False)
    harness.until(lambda: harness.service.has_stopped, "the stop")
    entry = harness.service.journal.entry(job_id)
    assert (entry.info.state, entry.attempts) == (JobState.QUEUED, 0)


def test_j19_the_second_time_it_is_killed_and_no_process_is_left(make_service, gate):
    before = psutil.Process().children()
    harness = make_service(2)
    job_id = harness.submit(("ignore_sigterm",), ("deaf_gate", str(gate)))
    harness.reaches(job_id, "deaf gate")
    harness.service.stop(drain=True)
    harness.service.kill()
    harness.until(lambda: harness.service.has_stopped, "the stop")
    harness.until(lambda: all(e.state is WorkerState.STOPPED for e in harness.executors))
    harness.service.close()
    assert psutil.Process().children() == before
    assert make_service().info(job_id).state is JobState.QUEUED


def test_j21_a_second_service_on_the_folder_is_refused_and_harms_nothing(make_service, gate):
    harness = make_service()
    job_id = harness.submit(("gate", str(gate)), OK)
    harness.reaches(job_id, "gate")
    with pytest.raises(FolderInUse):
        make_service()
    gate.touch()
    assert harness.ended(job_id)[0].state is JobState.DONE


def test_j22_a_damaged_journal_is_told_in_the_status(make_service, tmp_path):
    make_service().service.close()
    (tmp_path / "state" / "journal.sqlite").write_bytes(b"nonsense" * 1000)
    harness = make_service()
    assert "is damaged" in harness.service.status().notices[0]
    assert harness.ended(harness.submit(OK))[0].state is JobState.DONE


def test_h7_the_files_of_a_job_are_looked_at_once_and_the_disk_is_asked_last(harness, monkeypatch):
    frames = [harness.blob(str(number).encode()) for number in range(20)]
    clip, looked_at = harness.blob(b"clip"), []
    is_whole = harness.service.blobs.is_whole
    monkeypatch.setattr(
        harness.service.blobs, "is_whole", lambda blob: looked_at.append(blob) or is_whole(blob)
    )

    def job(*depth) -> Reconstruct:
        source = Source(clip, "clip.mp4", DepthFiles(list(depth)), 0, 1, 2, 64, 64)
        return Reconstruct(source)

    wrong_size, lost = BlobId(frames[0].sha256, 99), frames[-1]
    for strange in (wrong_size, BlobId("0" * 64, 1), harness.blob(b"another's", "ben")):
        with pytest.raises(UnknownBlob):
            harness.service.submit(OWNER, "key", job(*frames * 50, strange))
    assert looked_at == []
    harness.service.blobs.path_of(lost).unlink()
    with pytest.raises(UnknownBlob):
        harness.service.submit(OWNER, "key", job(*frames * 50))
    assert len(looked_at) == 1 + len(frames)
