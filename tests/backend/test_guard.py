"""Nothing that goes wrong in the service's step ends the server, and nothing finished is lost."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from contextlib import closing

import pytest

from backend.errors import FolderLost
from backend.guard import Guard
from backend.journal.file import JOURNAL_NAME
from protocol.errors import Busy
from protocol.messages.jobs import JobState

from .conftest import OWNER, FakeClock, quick_settings

OK = ("result", "out.txt", "fine")


def failing(point: str, error: Exception, times: int):
    """A checkpoint that raises so many times."""
    left = [times]

    def checkpoint(name: str) -> None:
        if name == point and left[0]:
            left[0] -= 1
            raise error

    return checkpoint, left


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EIO, errno.EROFS])
def test_h3_a_finished_result_waits_for_the_disk_instead_of_failing(make_service, number):
    harness = make_service()
    job_id = harness.submit(OK)
    checkpoint, left = failing("before_rename", OSError(number, "not now"), 2)
    harness.service.blobs._checkpoint = checkpoint
    [info] = harness.ended(job_id)
    assert left == [0]
    assert harness.text_of(info.results["out.txt"]) == "fine"


def test_h3_results_that_cannot_be_stored_for_long_fail_their_job_without_a_path(
    make_service, tmp_path
):
    harness = make_service(settings=quick_settings(results_retry_s=1.5))
    job_id = harness.submit(OK)
    checkpoint, _ = failing("before_rename", OSError(errno.EIO, "broken", str(tmp_path)), 99)
    harness.service.blobs._checkpoint = checkpoint
    [info] = harness.ended(job_id)
    assert (info.state, info.error_code) == (JobState.FAILED, "internal_error")
    assert str(tmp_path) not in info.error_text
    harness.service.blobs._checkpoint = lambda name: None
    assert harness.ended(harness.submit(OK))[0].state is JobState.DONE


@pytest.mark.parametrize("point", ["before_running", "before_done", "after_rename"])
def test_h8_a_fault_of_the_program_costs_its_job_and_nothing_else(make_service, lines, point):
    harness = make_service()
    first, second = harness.submit(OK), harness.submit(OK)
    checkpoint, left = failing(point, KeyError("a mistake"), 1)
    harness.service.blobs._checkpoint = checkpoint
    harness.service.journal.database._checkpoint = checkpoint
    infos = harness.ended(first, second)
    assert left == [0]
    assert infos[1].state is JobState.DONE
    assert infos[0].state in {JobState.DONE, JobState.FAILED}
    assert any("a mistake" in line for line in lines())


def test_h8_a_locked_journal_is_busy_and_what_ends_meanwhile_is_written_later(
    make_service, tmp_path, gate
):
    harness = make_service()
    job_id = harness.submit(("gate", str(gate)), OK)
    harness.reaches(job_id, "gate")
    path = tmp_path / "state" / JOURNAL_NAME
    with closing(sqlite3.connect(path, isolation_level=None)) as shell:
        job = harness.job(OK)
        shell.execute("BEGIN IMMEDIATE")
        gate.touch()
        harness.until(lambda: harness.service.status().notices, "the problem")
        with pytest.raises(Busy, match="another program"):
            harness.service.submit(OWNER, "key", job)
        assert harness.info(job_id).state is JobState.RUNNING
        shell.execute("ROLLBACK")
    assert harness.ended(job_id)[0].state is JobState.DONE
    harness.until(lambda: not harness.service.status().notices, "the end of the problem")


def test_h4_what_is_sent_again_before_its_loss_is_written_down_stays(make_service, tmp_path):
    harness = make_service()
    blob = harness.blob(b"clip")
    with closing(sqlite3.connect(tmp_path / "state" / JOURNAL_NAME, isolation_level=None)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        harness.service.blobs.collect()
        assert harness.service.blobs.gone
        harness.service.step()
        assert harness.blob(b"clip") == blob
        shell.execute("ROLLBACK")
    harness.until(lambda: not harness.service.status().notices, "the end of the problem")
    assert harness.service.journal.holdings.may_use(OWNER, blob)
    assert harness.service.blobs.is_whole(blob)


@pytest.mark.parametrize("folder", ["scratch", "staging", "blobs"])
def test_h8_a_folder_that_somebody_has_removed_is_made_again(harness, tmp_path, folder):
    harness.ended(harness.submit(OK))
    shutil.rmtree(tmp_path / "state" / folder)
    assert harness.ended(harness.submit(OK, ("result", "b", "new")))[0].state is JobState.DONE


def test_h8_only_the_loss_of_the_data_folder_ends_the_service(make_service, tmp_path):
    clock = FakeClock()
    harness = make_service(clock=clock)
    (tmp_path / "state" / JOURNAL_NAME).rename(tmp_path / "elsewhere")
    clock.now_s += 2
    harness.service.step()
    clock.now_s += 2
    harness.service.step()
    (tmp_path / "elsewhere").rename(tmp_path / "state" / JOURNAL_NAME)
    clock.now_s += 2
    harness.service.step()  # it is back
    (tmp_path / "state" / "lock").unlink()
    clock.now_s += 2
    harness.service.step()
    clock.now_s += 6
    with pytest.raises(FolderLost):
        harness.service.step()


def test_h8_a_stop_does_not_wait_for_ever_for_what_cannot_be_written(make_service, tmp_path, gate):
    harness = make_service()
    job_id = harness.submit(("gate", str(gate)), OK)
    harness.reaches(job_id, "gate")
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    checkpoint, _ = failing("before_done", error, 10**6)
    harness.service.journal.database._checkpoint = checkpoint
    gate.touch()
    harness.until(lambda: harness.service.status().notices, "the problem")
    harness.service.stop(drain=False)
    harness.until(lambda: harness.service.has_stopped, "the stop")


@pytest.mark.parametrize("what", ["housekeeping", "hearing the worker on cpu"])
def test_h8_who_waits_for_the_service_sleeps_while_a_part_of_it_rests(make_service, what):
    clock = FakeClock()
    harness = make_service(clock=clock)
    service = harness.service
    harness.executors[0].deadline_s = lambda: clock.now_s if "worker" in what else None
    clock.now_s += 3600  # the deadline of housekeeping is past
    assert service.timeout_s() == 0
    for part in ("housekeeping", "hearing the worker on cpu"):
        with service.guard(part):
            raise Busy("not now")
    assert service.timeout_s() == pytest.approx(1)
    clock.now_s += 0.4
    assert service.timeout_s() == pytest.approx(0.6)
    service.guard.forget(what)
    assert service.timeout_s() == 0


def test_h16_a_worker_that_cannot_be_started_is_told_without_the_servers_folders(make_service):
    harness = make_service()
    harness.executors[0].problem = "it cannot be started: no such file: '/opt/ex 4d/bin/python'"
    [worker] = harness.service.status().workers
    assert worker.problem == "it cannot be started: no such file: 'python'"


def test_h8_what_is_not_tried_again_wakes_nobody_and_is_no_lasting_problem(lines):
    clock = FakeClock()
    guard = Guard(clock)
    for _ in range(3):
        with guard("taking a report", is_tried_again=False):
            raise Busy("not now")
    [line] = lines()
    assert line.startswith("taking a report failed: not now")
    assert guard.problems() == []
    assert guard.deadline_s() is None


def test_the_log_hears_of_the_same_trouble_once_a_minute(lines):
    clock = FakeClock()
    guard = Guard(clock)
    for _ in range(120):
        with guard("a part"):
            raise OSError(errno.EIO, "broken", "/srv/data/file")
        assert guard.rests("a part")
        clock.now_s += 1
        assert not guard.rests("a part")
    assert len(lines()) == 2
    assert guard.problems() == ["a part: [Errno 5] broken: 'file'"]
    with guard("a part"):
        pass
    assert guard.problems() == []
    assert lines()[-1] == "a part works again"
