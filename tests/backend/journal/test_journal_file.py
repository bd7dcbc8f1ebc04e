"""The journal's file: earlier versions, damage, other programs' locks, and room given back."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from backend.errors import JournalShut
from backend.journal.file import JOURNAL_NAME
from backend.journal.journal import Change, Journal
from backend.journal.lost_commits import lost_commits
from protocol.errors import Busy, DiskFull, UnknownJob
from protocol.messages.jobs import BlobId, Generate, JobState

ROOT = Path(__file__).parents[3]
RESULT = BlobId("b" * 64, 7)
# As version 1 made it, which is out there.
FIRST_SCHEMA = """
CREATE TABLE jobs (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order of the queue
    job_id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    label TEXT NOT NULL,
    kind TEXT NOT NULL,
    body BLOB NOT NULL,
    state TEXT NOT NULL,
    stage TEXT NOT NULL DEFAULT '',
    done INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0,
    sequence INTEGER NOT NULL DEFAULT 1,
    attempts INTEGER NOT NULL DEFAULT 0,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    error_code TEXT NOT NULL DEFAULT '',
    error_text TEXT NOT NULL DEFAULT '',
    results BLOB NOT NULL DEFAULT x'80',
    UNIQUE (owner, key)
);
CREATE INDEX jobs_by_state ON jobs (state, ordinal);
CREATE TABLE events (
    job_id TEXT NOT NULL REFERENCES jobs (job_id) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    state TEXT NOT NULL,
    stage TEXT NOT NULL,
    done INTEGER NOT NULL,
    total INTEGER NOT NULL,
    is_progress INTEGER NOT NULL,
    PRIMARY KEY (job_id, sequence)
) WITHOUT ROWID;
"""


def job_of(number: int, size: int = 0) -> Generate:
    blob = BlobId(f"{number:064x}", 5)
    return Generate(blob, blob, engine="x" * min(size, 200), seed=number)


def big_job(number: int, size: int = 100_000):
    """One whose body has so many bytes."""
    blob = BlobId(f"{number:064x}", 5)
    from protocol.messages.jobs import DepthFiles, Shot, Source, TrajectoryArrays

    path = TrajectoryArrays(2, 16, 16, os.urandom(size), b"")
    return Shot(Source(blob, "a.mp4", DepthFiles([blob])), path, seed=number)


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def open_journal(state):
    """A function that opens the journal of one folder, closing the one before."""
    opened = []

    def open_it(**options) -> Journal:
        for journal in opened:
            journal.close()
        opened.append(Journal(state, **options))
        return opened[-1]

    yield open_it
    for journal in opened:
        journal.close()


def first_journal(path: Path) -> None:
    """A journal of version 1 with a job in each state."""
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(FIRST_SCHEMA)
        for number, state in enumerate(JobState):
            results = {"a": RESULT} if state is JobState.DONE else {}
            body = msgspec.msgpack.encode(job_of(number))
            connection.execute(
                "INSERT INTO jobs (job_id, owner, key, label, kind, body, state, results) "
                "VALUES (?, 'anna', ?, 'label', 'generate', ?, ?, ?)",
                (f"job {number}", f"key {number}", body, state, msgspec.msgpack.encode(results)),
            )
            connection.execute(
                "INSERT INTO events VALUES (?, 1, 'queued', '', 0, 0, 0)", (f"job {number}",)
            )
        connection.execute("PRAGMA user_version = 1")
        connection.commit()


def test_h13_a_journal_of_version_1_goes_on_with_all_that_it_knew(open_journal, state):
    first_journal(state / JOURNAL_NAME)
    journal = open_journal()
    assert journal.notices == []
    for number, job_state in enumerate(JobState):
        job_id, job = f"job {number}", job_of(number)
        info, is_new = journal.add(f"key {number}", "anna", job)
        assert (info.job_id, info.state, is_new) == (job_id, job_state, False)
        assert journal.events_since(job_id, 0)[-1].sequence == 1
        assert journal.holdings.may_use("anna", job.color)
        if info.state in {JobState.QUEUED, JobState.RUNNING, JobState.INTERRUPTED}:
            assert journal.job(job_id) == job
            assert journal.holdings.inputs_of(job_id) == [job.color]
        else:
            with pytest.raises(UnknownJob):
                journal.job(job_id)
    assert journal.holdings.may_use("anna", RESULT)
    assert not journal.holdings.may_use("ben", RESULT)
    assert open_journal().notices == []


def test_h16_the_file_shrinks_when_jobs_have_ended(open_journal, state):
    journal = open_journal()
    job_ids = [journal.add(f"key {n}", "anna", big_job(n))[0].job_id for n in range(40)]
    size = lambda: sum(path.stat().st_size for path in state.glob("journal*"))  # noqa: E731
    full = size()
    assert full > 4_000_000
    for job_id in job_ids:
        journal.advance(job_id, JobState.QUEUED, JobState.CANCELLED)
    while journal.database.shrink(100):
        pass
    end_s = time.monotonic() + 20
    while size() >= full / 10:  # the pages leave in the thread that syncs
        assert time.monotonic() < end_s
        time.sleep(0.02)
        journal.keep_time()
        journal.forget("none")  # something to sync: what a checkpoint has left goes with the next
        journal.sync.step()


def test_t9_a_write_that_another_program_keeps_out_is_busy_at_once(open_journal, state):
    journal = open_journal()
    job_id = journal.add("key", "anna", job_of(1))[0].job_id
    with closing(sqlite3.connect(state / JOURNAL_NAME, isolation_level=None)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        with pytest.raises(Busy, match="another program"):
            journal.add("another", "anna", job_of(2))
        with pytest.raises(Busy):
            journal.advance(job_id, JobState.QUEUED, JobState.RUNNING)
        assert journal.info(job_id).state is JobState.QUEUED  # reading goes on
        shell.execute("ROLLBACK")
    assert journal.advance(job_id, JobState.QUEUED, JobState.RUNNING)


def test_h8_nothing_is_acknowledged_into_a_journal_that_has_no_name_any_more(open_journal, state):
    journal = open_journal()
    assert journal.is_in_place
    (state / JOURNAL_NAME).rename(state / "elsewhere")
    assert not journal.is_in_place
    with pytest.raises(Busy, match="gone"):
        journal.add("key", "anna", job_of(1))
    (state / "elsewhere").rename(state / JOURNAL_NAME)
    assert journal.add("key", "anna", job_of(1))[1]


def test_t9_a_journal_that_cannot_be_opened_is_said_and_left_alone(open_journal, state):
    open_journal().close()
    before = (state / JOURNAL_NAME).read_bytes()
    with closing(sqlite3.connect(state / JOURNAL_NAME, isolation_level=None)) as shell:
        shell.execute("PRAGMA locking_mode = EXCLUSIVE")
        shell.execute("PRAGMA journal_mode = WAL")
        shell.execute("BEGIN EXCLUSIVE")
        with pytest.raises(JournalShut):
            open_journal()
        shell.execute("ROLLBACK")
    assert (state / JOURNAL_NAME).read_bytes()[:100] == before[:100]
    assert open_journal().notices == []


def killed_journal(state: Path, n_jobs: int) -> None:
    """A journal whose process was killed, with all of its jobs in the write-ahead log."""
    code = "import sys, os, pathlib; from backend.journal.journal import Journal\n"
    code += "from tests.backend.journal.test_journal_file import job_of\n"
    code += "journal = Journal(pathlib.Path(sys.argv[1]))\n"
    code += "for n in range(int(sys.argv[2])): journal.add(f'key {n}', 'anna', job_of(n))\n"
    code += "os._exit(1)"
    command = [sys.executable, "-c", code, state, str(n_jobs)]
    subprocess.run(command, cwd=ROOT, check=False)


def test_j22_a_damaged_write_ahead_log_is_said_with_what_it_costs(open_journal, state):
    killed_journal(state, 9)
    log = state / f"{JOURNAL_NAME}-wal"
    assert lost_commits(log) == 0
    data = bytearray(log.read_bytes())
    data[len(data) * 2 // 3] ^= 0xFF
    log.write_bytes(data)
    n_lost = lost_commits(log)
    assert 0 < n_lost < 9
    journal = open_journal()
    assert f"the last {n_lost} changes" in journal.notices[0]
    assert journal.count(JobState.QUEUED) == 9 - n_lost


def test_j22_a_sound_log_of_a_killed_server_is_no_news(open_journal, state):
    killed_journal(state, 3)
    journal = open_journal()
    assert journal.notices == []
    assert journal.count(JobState.QUEUED) == 3


def test_j22_what_can_be_read_of_a_damaged_journal_is_not_lost(open_journal, state):
    journal = open_journal()
    for number in range(60):
        journal.add(f"key {number}", "anna", big_job(number, 20_000))
    for number in (0, 59):
        job_id = journal.infos("anna")[number].job_id
        journal.advance(job_id, JobState.QUEUED, JobState.RUNNING)
        journal.advance(job_id, JobState.RUNNING, JobState.DONE, Change(results={"a": RESULT}))
    journal.close()
    path = state / JOURNAL_NAME
    data = bytearray(path.read_bytes())
    middle = len(data) // 4096 // 2 * 4096
    data[middle : middle + 4096] = os.urandom(4096)
    path.write_bytes(data)
    journal = open_journal()
    assert "is damaged" in journal.notices[0]
    assert "jobs could be read from it" in journal.notices[1]
    infos = journal.infos("anna")
    assert len(infos) > 50
    for info in infos:
        assert journal.events_since(info.job_id, 0)[-1] == info
        if info.state is JobState.QUEUED:
            journal.job(info.job_id)
        elif info.state is JobState.FAILED:
            assert "hand it in again" in info.error_text
    assert journal.holdings.may_use("anna", RESULT)
    assert str(state) not in " ".join(journal.notices)


def test_t9_an_error_of_the_journal_names_no_path(open_journal, state):
    journal = open_journal()
    pages = journal.database.connection.execute("PRAGMA page_count").fetchone()[0]
    journal.database.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DiskFull) as refusal:
        journal.add("key", "anna", big_job(1))
    assert str(state) not in refusal.value.text
