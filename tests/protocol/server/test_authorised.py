"""The folder of keys is believed as it is at this moment."""

from __future__ import annotations

import errno
import logging
import os
import resource
import shutil
import time

import pytest

from protocol.keys import authorise, make_key_pair, revoke
from protocol.server import AuthorisedClients

ANNA, BEN = make_key_pair().public, make_key_pair().public
HOUR_NS = 3_600_000_000_000


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "keys" / "clients"
    authorise(folder, "anna", ANNA)
    return folder


def later() -> int:
    """A clock for which every file is old."""
    return time.time_ns() + HOUR_NS


def test_h10_every_change_is_seen_at_the_next_question(folder):
    clients = AuthorisedClients(folder)
    assert clients() == {ANNA: "anna"}
    authorise(folder, "ben", BEN)
    assert clients() == {ANNA: "anna", BEN: "ben"}
    revoke(folder, name="anna")
    assert clients() == {BEN: "ben"}
    (folder / "ben.key").rename(folder / "benjamin.key")
    assert clients() == {BEN: "benjamin"}
    shutil.rmtree(folder)
    assert clients() == {}


def test_h10_a_file_rewritten_within_one_tick_of_the_clock_is_seen(folder):
    path = folder / "anna.key"
    clients = AuthorisedClients(folder)
    for key in (BEN, ANNA) * 50:
        assert len(clients()) == 1
        before = path.stat()
        with path.open("r+") as file:
            file.write(key)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert clients() == {key: "anna"}


def test_files_that_did_not_change_are_not_read_again(folder, monkeypatch):
    clients = AuthorisedClients(folder, clock_ns=later)
    first = clients()
    opened = []
    monkeypatch.setattr(os, "open", lambda *given: opened.append(given))
    assert clients() is first
    assert opened == []


def test_a_name_is_of_the_first_file_that_holds_the_key(folder):
    (folder / "zoe.key").write_text(ANNA)
    assert AuthorisedClients(folder)() == {ANNA: "anna"}


def test_what_lets_nobody_in_is_logged_once_and_locks_out_nobody(folder, caplog):
    os.mkfifo(folder / "pipe.key")  # whoever opened it would wait for ever
    (folder / "broken.key").write_text("no key")
    (folder / "loop.key").symlink_to("loop.key")
    clients = AuthorisedClients(folder, clock_ns=later)
    assert clients() == clients() == {ANNA: "anna"}
    told = [record.getMessage() for record in caplog.records]
    assert sorted(text.split()[0] for text in told) == ["broken.key", "loop.key", "pipe.key"]


def test_h10_without_descriptors_nobody_new_gets_in_and_it_does_not_raise(folder, caplog):
    clients = AuthorisedClients(folder)
    assert clients() == {ANNA: "anna"}
    caplog.set_level(logging.INFO, "ex4d.server.keys")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
            os.open(folder, os.O_RDONLY)
        assert [clients() for _ in range(3)] == [None] * 3
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert clients() == {ANNA: "anna"}
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert "nobody new gets in" in told[0]
    assert "can be read again" in told[1]


def test_h10_a_folder_that_is_away_with_all_keys_tells_nothing_of_its_clients(folder):
    clients = AuthorisedClients(folder)
    assert clients() == {ANNA: "anna"}
    keys = folder.parent
    keys.rename(keys.with_name("away"))  # a disk that is not mounted now
    assert clients() is None
    keys.with_name("away").rename(keys)
    assert clients() == {ANNA: "anna"}


def test_h10_a_folder_that_cannot_be_listed_tells_nothing_of_its_clients(folder):
    clients = AuthorisedClients(folder)
    folder.rename(folder.with_name("away"))
    folder.write_text("no folder")
    assert clients() is None
