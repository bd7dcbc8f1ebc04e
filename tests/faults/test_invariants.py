"""The invariants notice what they are there for, and no fault that was promised lacks its test."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from dataclasses import replace

import pytest

from backend.journal.file import JOURNAL_NAME

from .rig import OK, Rig
from .server_process import ROOT

CATALOGUE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
HEADING = "## No test here"


def ids_in(text: str) -> list[str]:
    """The ids at the beginnings of the rows of tables."""
    return re.findall(r"^\| ([A-Z]\d+) \|", text, re.MULTILINE)


def ids_of_tests() -> set[str]:
    """The ids that the names of tests begin with: test_j1_j3_... names two."""
    found: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        for ids in re.findall(r"^def test_((?:[a-z]\d+_)+)", text, re.MULTILINE):
            found |= set(ids.upper().strip("_").split("_"))
    return found


def excused_ids() -> list[str]:
    """Those of the table of faults that cannot have a test here."""
    return ids_in(CATALOGUE.split(f"\n{HEADING}\n", 1)[1].split("\n## ", 1)[0])


def listed_ids() -> list[str]:
    """All others, with their faults."""
    before, after = CATALOGUE.split(f"\n{HEADING}\n", 1)
    return ids_in(before + "\n## " + after.partition("\n## ")[2])


@pytest.fixture
def broken(tmp_path):
    """A server whose folder the test spoils."""
    rig = Rig(tmp_path)
    rig.start()
    yield rig
    rig.close()


def test_every_fault_of_the_catalogue_has_a_test_or_a_reason():
    assert sorted(set(listed_ids()) - set(excused_ids()) - ids_of_tests()) == []


def test_no_fault_has_both_a_test_and_a_reason_to_have_none():
    assert sorted(set(excused_ids()) & ids_of_tests()) == []


def test_every_id_that_a_test_or_a_reason_names_is_in_the_catalogue_once():
    listed = listed_ids()
    assert sorted(listed) == sorted(set(listed))
    assert sorted((ids_of_tests() | set(excused_ids())) - set(listed)) == []


def test_a_reason_is_a_sentence():
    for row in CATALOGUE.split(f"\n{HEADING}\n", 1)[1].split("\n## ", 1)[0].splitlines():
        if re.match(r"\| [A-Z]\d", row):
            assert re.fullmatch(r"\| [A-Z]\d+ \| \S.{20,}\. \|", row), row


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


def test_i5_a_temporary_file_that_is_left_is_noticed(broken):
    (broken.root / "temporary" / "left").touch()
    with pytest.raises(AssertionError, match="I5"):
        broken.check()


def test_i5_a_descriptor_a_thread_or_a_process_too_many_is_noticed(broken, monkeypatch):
    monkeypatch.setattr("tests.faults.rig.CLOSED_S", 0.2)
    held = broken.server.before
    for name in ("n_descriptors", "n_threads", "n_children"):
        broken.server.before = replace(held, **{name: 0})
        with pytest.raises(AssertionError, match="I5"):
            broken.check_invariants()
    broken.server.before = held
    broken.check()


def test_i6_memory_that_is_not_given_back_is_noticed(broken, monkeypatch):
    monkeypatch.setattr("tests.faults.rig.CLOSED_S", 0.2)
    held = broken.server.before
    broken.server.before = replace(held, memory_bytes=held.memory_bytes // 2)
    with pytest.raises(AssertionError, match="I6"):
        broken.check()
