"""The journal: idempotent, guarded, replayable, and safe from damage."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from backend.errors import FolderInUse, JournalTooNew
from backend.journal.file import JOURNAL_NAME
from backend.journal.journal import Change, Journal
from protocol.errors import DiskFull, IdempotencyConflict, UnknownJob
from protocol.messages.jobs import MOVES, BlobId, Generate, JobState

ROOT = Path(__file__).parents[3]
BLOB = BlobId("a" * 64, 5)
JOB = Generate(BLOB, BLOB)
ALL_MOVES = [(start, end) for start in JobState for end in JobState]
PATHS = {  # how a job gets into each state
    JobState.QUEUED: (),
    JobState.RUNNING: (JobState.RUNNING,),
    JobState.DONE: (JobState.RUNNING, JobState.DONE),
    JobState.FAILED: (JobState.FAILED,),
    JobState.CANCELLED: (JobState.CANCELLED,),
    JobState.INTERRUPTED: (JobState.RUNNING, JobState.INTERRUPTED),
}


@pytest.fixture
def open_journal(tmp_path):
    """A function that opens the journal of one folder, closing the one before."""
    opened = []

    def open_it(**options) -> Journal:
        for journal in opened:
            journal.close()
        opened.append(Journal(tmp_path / "state", **options))
        return opened[-1]

    yield open_it
    for journal in opened:
        journal.close()


def add(journal, key="key", job=JOB, owner="alice") -> str:
    return journal.add(key, owner, job)[0].job_id


def bring(journal, job_id, state):
    here = JobState.QUEUED
    for there in PATHS[state]:
        assert journal.advance(job_id, here, there)
        here = there


@pytest.mark.parametrize(("start", "end"), ALL_MOVES)
def test_the_table_of_moves_is_what_happens(open_journal, start, end):
    journal = open_journal()
    job_id = add(journal)
    bring(journal, job_id, start)
    before = journal.events_since(job_id, 0)
    if end not in MOVES[start]:
        with pytest.raises(ValueError, match=f"from {start} to {end}"):
            journal.advance(job_id, start, end)
        assert journal.events_since(job_id, 0) == before
        return
    assert journal.advance(job_id, start, end)
    assert journal.entry(job_id).info.state is end
    assert journal.events_since(job_id, before[-1].sequence) == [journal.entry(job_id).info]


@pytest.mark.parametrize("state", JobState)
def test_a_move_from_a_state_that_the_job_has_left_does_nothing(open_journal, state):
    journal = open_journal()
    job_id = add(journal)
    bring(journal, job_id, state)
    before = journal.events_since(job_id, 0)
    for start, ends in MOVES.items():
        if start is not state:
            assert not any(journal.advance(job_id, start, end) for end in ends)
    assert journal.events_since(job_id, 0) == before


def test_j1_the_same_key_and_job_are_the_same_job_in_every_state(open_journal):
    journal = open_journal()
    info, is_new = journal.add("key", "alice", JOB)
    assert is_new
    assert journal.add("key", "alice", JOB) == (info, False)
    assert journal.add("key", "bob", JOB)[0].job_id != info.job_id
    for state in (JobState.RUNNING, JobState.DONE):
        journal.advance(info.job_id, journal.entry(info.job_id).info.state, state)
        again, is_new = journal.add("key", "alice", JOB)
        assert (again.job_id, again.state, is_new) == (info.job_id, state, False)


def test_j2_the_same_key_with_another_job_is_refused(open_journal):
    journal = open_journal()
    job_id = add(journal)
    with pytest.raises(IdempotencyConflict) as refusal:
        add(journal, job=msgspec.structs.replace(JOB, seed=1))
    assert refusal.value.facts == {"job_id": job_id}


def test_j6_events_are_replayed_in_order_also_by_the_next_server(open_journal):
    journal = open_journal()
    job_id = add(journal)
    journal.advance(job_id, JobState.QUEUED, JobState.RUNNING)
    for done in range(20):
        journal.progress(job_id, "render", done, 20)
    journal.progress(job_id, "encode", 0, 20)
    change = Change("oops", "it broke", {"a": BLOB})
    journal.advance(job_id, JobState.RUNNING, JobState.FAILED, change)
    journal = open_journal()
    events = journal.events_since(job_id, 0)
    assert [(e.state, e.stage, e.done) for e in events] == [
        ("queued", "", 0),
        ("running", "", 0),
        ("running", "render", 19),
        ("running", "encode", 0),
        ("failed", "encode", 0),
    ]
    assert [e.error_code for e in events] == ["", "", "", "", "oops"]
    assert events[-1].results == {"a": BLOB}
    assert journal.events_since(job_id, events[2].sequence) == events[3:]


def test_progress_of_a_job_that_does_not_run_is_not_noted(open_journal):
    journal = open_journal()
    job_id = add(journal)
    assert not journal.progress(job_id, "render", 1, 2)
    assert len(journal.events_since(job_id, 0)) == 1


def test_j5_running_jobs_are_queued_again_once_in_their_place(open_journal):
    journal = open_journal()
    job_ids = [add(journal, key=f"key {n}") for n in range(3)]
    for expected in (JobState.QUEUED, JobState.INTERRUPTED):
        journal.advance(job_ids[0], JobState.QUEUED, JobState.RUNNING)
        journal = open_journal()
        assert [info.state for info in journal.recover()] == [expected]
        if expected is JobState.QUEUED:
            assert journal.next_queued().info.job_id == job_ids[0]
    assert journal.next_queued().info.job_id == job_ids[1]
    assert journal.advance(job_ids[0], JobState.INTERRUPTED, JobState.QUEUED)  # the user decides
    assert journal.entry(job_ids[0]).attempts == 0


def test_a_cancel_that_was_asked_for_is_not_forgotten_by_a_crash(open_journal):
    journal = open_journal()
    job_id = add(journal)
    bring(journal, job_id, JobState.RUNNING)
    journal.request_cancel(job_id)
    journal = open_journal()
    assert [info.state for info in journal.recover()] == [JobState.CANCELLED]


def test_jobs_of_others_are_unknown(open_journal):
    journal = open_journal()
    job_id = add(journal)
    assert journal.job(job_id) == JOB
    for name, owner in ((job_id, "bob"), ("nothing", "alice"), ("nothing", None)):
        with pytest.raises(UnknownJob):
            journal.entry(name, owner)


def test_only_a_job_that_has_ended_can_be_forgotten(open_journal):
    journal = open_journal()
    job_id = add(journal)
    assert not journal.forget(job_id)
    journal.advance(job_id, JobState.QUEUED, JobState.CANCELLED)
    assert journal.forget(job_id)
    assert journal.add("key", "alice", msgspec.structs.replace(JOB, seed=3))[1]  # the key is free


def test_j21_a_second_server_on_the_same_folder_is_refused(open_journal, tmp_path):
    open_journal()
    with pytest.raises(FolderInUse, match="another server works on"):
        Journal(tmp_path / "state")


def test_j21_the_folder_is_free_again_after_its_server_was_killed(tmp_path):
    code = "import sys, os, signal, pathlib; from backend.journal.journal import Journal\n"
    code += "j = Journal(pathlib.Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], cwd=ROOT, **pipes) as process:
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(FolderInUse, match=f"process {process.pid}"):
            Journal(tmp_path)
        process.kill()
    Journal(tmp_path).close()


def damage_header(path):
    path.write_bytes(b"not a database, certainly" + path.read_bytes()[25:])


def damage_pages(path):
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)


def truncate_to_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 100])


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [damage_header, damage_pages, truncate_to_half, empty])
def test_j22_a_damaged_journal_is_kept_aside_and_a_new_one_begun(open_journal, tmp_path, damage):
    journal = open_journal()
    for number in range(50):
        add(journal, key=f"key {number}")
    journal.close()
    damage(tmp_path / "state" / JOURNAL_NAME)
    journal = open_journal()
    assert "is damaged" in journal.notices[0]
    assert "journal.damaged-1.sqlite" in journal.notices[0]
    assert (tmp_path / "state" / "journal.damaged-1.sqlite").exists()
    add(journal)
    journal = open_journal()
    assert journal.notices == []
    assert journal.count(JobState.QUEUED) == 1


def test_j22_a_lost_write_ahead_log_is_said_and_the_journal_works(open_journal, tmp_path):
    code = "import sys, os, pathlib; from backend.journal.journal import Journal\n"
    code += "from tests.backend.journal.test_journal import JOB\n"
    code += "Journal(pathlib.Path(sys.argv[1])).add('key', 'alice', JOB); os._exit(1)"
    state = tmp_path / "state"
    subprocess.run([sys.executable, "-c", code, state], cwd=ROOT, check=False)
    (state / f"{JOURNAL_NAME}-wal").unlink()
    journal = open_journal()
    assert "write-ahead log" in journal.notices[0]
    assert journal.add("key", "alice", JOB)[1]


def test_a_journal_of_a_later_version_is_left_alone(open_journal, tmp_path):
    open_journal().close()
    with sqlite3.connect(tmp_path / "state" / JOURNAL_NAME) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(JournalTooNew):
        open_journal()


def test_t9_a_full_disk_is_disk_full_and_the_journal_stays_whole(open_journal):
    journal = open_journal()
    job_id = add(journal)
    pages = journal.database.connection.execute("PRAGMA page_count").fetchone()[0]
    journal.database.connection.execute(f"PRAGMA max_page_count = {pages}")

    def fill():
        for number in range(1000):
            add(journal, key=f"more {number}")

    with pytest.raises(DiskFull):
        fill()
    journal.database.connection.execute("PRAGMA max_page_count = 100000")
    assert journal.entry(job_id).info.state is JobState.QUEUED
    add(journal, key="again")
