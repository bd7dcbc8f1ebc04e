"""The invariants notice what they are there for, and no fault that was promised lacks its test."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path

import pytest

from backend.journal_file import JOURNAL_NAME

from .rig import OK, Rig

PROMISED = [
    *(f"c{n}" for n in (1, 2, 3, 4, 8, 9, 12)),
    *(f"m{n}" for n in range(1, 9)),
    *("t2", "t9"),
    *(f"j{n}" for n in (*range(1, 8), 9, 12, 15, 16, 18, 19, 20, 21)),
]


@pytest.fixture
def broken(tmp_path):
    """A server whose folder the test spoils."""
    rig = Rig(tmp_path)
    rig.start()
    yield rig
    rig.close()


def test_every_fault_that_was_promised_has_a_test():
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert set(PROMISED) <= set(re.findall(r"^def test_([a-z]\d+)_", text, re.MULTILINE))


def test_i1_a_lost_job_is_noticed(broken):
    with broken.client() as client:
        info = broken.submit(client, OK)
        broken.ended(client, info.job_id)
    database = sqlite3.connect(broken.data / JOURNAL_NAME)
    with contextlib.closing(database), database:
        database.execute("DELETE FROM jobs")
    with pytest.raises(AssertionError, match="I1"):
        broken.check()


def test_i2_a_job_that_was_finished_twice_is_noticed(broken):
    with broken.client() as client:
        info = broken.submit(client, OK)
        broken.ended(client, info.job_id)
    with (broken.root / "runs").open("a") as runs:
        runs.write(f"finished {info.job_id} 1\n")
    with pytest.raises(AssertionError, match="I2"):
        broken.check()


@pytest.mark.parametrize("name", [f"blobs/ab/{'0' * 62}", "x.part", "scratch/left"])
def test_i3_a_file_where_none_belongs_is_noticed(broken, name):
    path = broken.data / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"half")
    with pytest.raises(AssertionError, match="I3"):
        broken.check()


def test_i4_a_client_that_stays_is_noticed(broken):
    broken.idle_s = 0.5
    with broken.client(), pytest.raises(AssertionError, match="I4"):
        broken.check()
