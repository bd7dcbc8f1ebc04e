"""`ex4d check`: what is wrong in a data folder, and what it does about it."""

from __future__ import annotations

import argparse
import os

import pytest

from backend.cli import check
from backend.journal.file import JOURNAL_NAME
from backend.journal.journal import Change, Journal
from backend.store.blobs import BlobStore
from ex4d.errors import InputError
from protocol.messages.jobs import Generate, JobState

from .conftest import put_blob


@pytest.fixture
def state(tmp_path):
    """A data folder with a queued job and one that is done."""
    root = tmp_path / "state"
    journal, store = Journal(root), BlobStore(root)
    clip, result = (put_blob(store, data) for data in (b"clip" * 100, b"result" * 100))
    job = Generate(clip, clip)
    done = journal.add("done", "anna", job)[0].job_id
    journal.add("queued", "anna", job)
    journal.advance(done, JobState.QUEUED, JobState.RUNNING)
    journal.advance(done, JobState.RUNNING, JobState.DONE, Change(results={"a": result}))
    journal.close()
    return root


def checked(root, *flags, capsys=None) -> tuple[int, str]:
    parser = argparse.ArgumentParser()
    check.add_arguments(parser)
    code = check.run(parser.parse_args(["--data_dir", str(root), *flags]))
    return code, capsys.readouterr().out


def files_of(root) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def damage(root) -> str:
    path = max((root / "blobs").glob("??/*"), key=lambda path: path.stat().st_size)
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)
    return path.parent.name + path.name


def test_h9_a_sound_folder_is_left_as_it_is(state, capsys):
    before = files_of(state)
    assert checked(state, capsys=capsys) == (0, "2 files were read\n")
    after = {name: data for name, data in files_of(state).items() if not name.endswith("-shm")}
    assert {name: data for name, data in after.items() if data} == {
        name: data for name, data in before.items() if data
    }


def test_h9_a_damaged_file_is_told_and_set_aside_with_repair(state, capsys):
    sha256 = damage(state)
    code, text = checked(state, capsys=capsys)
    assert code == 1
    assert f"file {sha256} is damaged" in text
    assert not (state / "damaged").exists()
    code, text = checked(state, "--repair", capsys=capsys)
    assert code == 0
    assert "it was set aside" in text
    assert [path.name for path in (state / "damaged").iterdir()] == [f"{sha256}.1"]
    code, text = checked(state, capsys=capsys)
    assert code == 1  # a job has lost it, until it is sent again
    assert "is not there" in text


def test_h9_a_damaged_journal_is_told_and_mended_with_repair(state, capsys):
    path = state / JOURNAL_NAME
    data = bytearray(path.read_bytes())
    data[-4096:] = os.urandom(4096)
    path.write_bytes(data)
    code, text = checked(state, capsys=capsys)
    assert (code, "is damaged" in text) == (1, True)
    assert path.read_bytes() == bytes(data)
    code, text = checked(state, "--repair", capsys=capsys)
    assert "jobs could be read from it" in text
    assert "is damaged" not in checked(state, capsys=capsys)[1]


def test_h9_the_folder_of_a_running_server_is_not_checked(state, capsys):
    journal = Journal(state)
    for flags in ([], ["--repair"]):
        with pytest.raises(InputError, match="another server works"):
            checked(state, *flags, capsys=capsys)
    journal.close()


def test_h9_another_folder_is_refused_and_left_alone(tmp_path, capsys):
    with pytest.raises(InputError, match="no data folder"):
        checked(tmp_path, "--repair", capsys=capsys)
    assert list(tmp_path.glob("lock*")) == []
