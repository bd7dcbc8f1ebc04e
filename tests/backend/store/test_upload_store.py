"""Who may use which file, and how much room one client may have."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from contextlib import closing

import pytest

from backend.journal.file import JOURNAL_NAME
from backend.journal.holdings import tag_of
from backend.journal.journal import Journal
from backend.settings import ServerSettings
from backend.store.blobs import BlobStore
from backend.store.uploads import UploadStore
from protocol.errors import Busy, DiskFull, UnknownBlob
from protocol.messages.jobs import BlobId

SPARE = 64 << 20  # of the disk, which the store leaves alone


@pytest.fixture
def make_uploads(tmp_path):
    """A function that opens the store of one folder, closing the one before."""
    opened = []

    def make(*, settings=None, **options) -> UploadStore:
        for journal in opened:
            journal.close()
        opened.append(Journal(tmp_path / "state"))
        holdings = opened[-1].holdings
        blobs = BlobStore(tmp_path / "state", tags=holdings.tags, **options)
        uploads = UploadStore(blobs, holdings, settings or ServerSettings())
        uploads.blobs, uploads.holdings = blobs, holdings
        return uploads

    yield make
    for journal in opened:
        journal.close()


def send(uploads, data: bytes, user: str) -> BlobId:
    """What a transfer does."""
    blob = BlobId(hashlib.sha256(data).hexdigest(), len(data))
    uploads.reserve(blob, user)
    uploads.part(blob, user).write_bytes(data)
    uploads.part(blob, user).rename(uploads.final(blob, user))
    uploads.note_stored(blob, user)
    return blob


def read(uploads, blob, user: str) -> bytes:
    descriptor = uploads.open_for_reading(blob, user)
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def test_h14_a_file_is_there_for_who_has_sent_it_and_for_nobody_else(make_uploads):
    uploads = make_uploads()
    blob = send(uploads, b"secret", "anna")
    for is_restarted in (False, True):
        uploads = make_uploads() if is_restarted else uploads
        assert read(uploads, blob, "anna") == b"secret"
        assert uploads.find(blob, "ben") is None
        with pytest.raises(UnknownBlob):
            uploads.open_for_reading(blob, "ben")


def test_h14_t10_a_file_that_another_has_sent_is_sent_again_whole_and_stored_once(make_uploads):
    uploads = make_uploads()
    blob = send(uploads, b"the same", "anna")
    assert send(uploads, b"the same", "ben") == blob
    assert uploads.blobs.used_bytes == blob.size
    assert read(uploads, blob, "ben") == read(uploads, blob, "anna") == b"the same"


def test_h14_what_one_client_has_sent_of_a_file_does_not_get_into_anothers(make_uploads):
    uploads = make_uploads()
    blob = BlobId("a" * 64, 5)
    parts = {uploads.part(blob, user) for user in ("anna", "ben", "")}
    finals = {uploads.final(blob, user) for user in ("anna", "ben", "")}
    assert len(parts | finals) == 6


def test_h6_the_uploads_of_one_client_leave_half_of_the_room_to_others(make_uploads):
    uploads = make_uploads(quota_bytes=200)
    first, second = BlobId("a" * 64, 60), BlobId("b" * 64, 60)
    uploads.reserve(first, "mallory")
    with pytest.raises(DiskFull) as refusal:
        uploads.reserve(second, "mallory")
    assert refusal.value.facts["have_bytes"] == "40"
    uploads.reserve(second, "anna")
    uploads.note_abandoned(first, "mallory")
    uploads.reserve(second, "mallory")


def test_h6_what_one_clients_jobs_hold_counts_against_its_share(make_uploads):
    uploads = make_uploads(quota_bytes=200)
    result = BlobId("c" * 64, 140)
    database = uploads.holdings._database
    with database.transaction():
        database.write("INSERT INTO rights VALUES (?, 'mallory', 'job', 140, 0)", (result.sha256,))
    with pytest.raises(DiskFull):
        uploads.reserve(BlobId("a" * 64, 20), "mallory")
    uploads.reserve(BlobId("a" * 64, 20), "anna")


def test_h4_a_refused_upload_removes_nothing(make_uploads):
    uploads = make_uploads()
    blob, part = send(uploads, b"clip", "anna"), BlobId("e" * 64, 9)
    uploads.part(part, "anna").write_bytes(b"half")
    for user in ("mallory", "anna"):
        with pytest.raises(DiskFull):
            uploads.reserve(BlobId("0" * 64, 1 << 44), user)
    assert uploads.find(blob, "anna") is not None
    assert uploads.part(part, "anna").exists()


def test_h4_the_client_that_uses_most_makes_room_first(make_uploads):
    settings = ServerSettings(upload_share=1, client_share=1)
    uploads = make_uploads(quota_bytes=100, settings=settings)
    annas = send(uploads, b"a" * 10, "anna")  # the oldest
    hers = [send(uploads, bytes([n]) * 30, "mallory") for n in range(3)]
    send(uploads, b"b" * 30, "ben")
    assert uploads.find(annas, "anna") is not None
    assert [uploads.find(blob, "mallory") is not None for blob in hers] == [False, True, True]


def test_h4_a_part_of_the_client_that_uses_most_goes_before_anothers_file(make_uploads):
    settings = ServerSettings(upload_share=1, client_share=1)
    uploads = make_uploads(quota_bytes=100, settings=settings)
    annas, part = send(uploads, b"a" * 20, "anna"), BlobId("e" * 64, 60)
    uploads.part(part, "mallory").write_bytes(bytes(60))
    send(uploads, b"b" * 30, "ben")
    assert uploads.find(annas, "anna") is not None
    assert not uploads.part(part, "mallory").exists()


def test_h9_a_file_of_another_size_or_none_is_lacking_and_set_aside(make_uploads, tmp_path):
    uploads = make_uploads()
    short, lost = send(uploads, b"short", "anna"), send(uploads, b"lost", "anna")
    uploads.blobs.path_of(short).write_bytes(b"sh")
    uploads.blobs.path_of(lost).unlink()
    assert uploads.find(short, "anna") is None
    assert uploads.find(lost, "anna") is None
    assert len(list((tmp_path / "state" / "damaged").iterdir())) == 1
    assert read(uploads, send(uploads, b"short", "anna"), "anna") == b"short"


def test_h9_a_file_is_doubtful_after_a_restart_when_it_was_written_and_when_it_is_old(
    make_uploads,
):
    now_s = [0.0]
    uploads = make_uploads(clock=lambda: now_s[0])
    blob = send(uploads, b"data", "anna")
    assert not uploads.is_doubtful(blob)
    uploads.blobs.path_of(blob).write_bytes(b"dada")
    assert uploads.is_doubtful(blob)
    uploads.known_good(blob)
    assert not uploads.is_doubtful(blob)
    now_s[0] += 100_000
    assert uploads.is_doubtful(blob)
    uploads = make_uploads()
    assert uploads.is_doubtful(blob)
    uploads.set_aside(blob, uploads.find(blob, "anna").stat().st_ino + 1)  # of the file before
    assert uploads.find(blob, "anna") is not None
    uploads.set_aside(blob, uploads.find(blob, "anna").stat().st_ino)
    assert uploads.find(blob, "anna") is None


def test_h9_what_is_set_aside_is_bounded(make_uploads, tmp_path):
    uploads = make_uploads()
    for number in range(20):
        blob = send(uploads, bytes([number]), "anna")
        uploads.set_aside(blob, uploads.find(blob, "anna").stat().st_ino)
    assert len(list((tmp_path / "state" / "damaged").iterdir())) == 16


def test_h14_an_upload_that_ends_while_the_journal_is_locked_is_not_lost(make_uploads, tmp_path):
    uploads = make_uploads()
    path = tmp_path / "state" / JOURNAL_NAME
    with closing(sqlite3.connect(path, isolation_level=None)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        blob = send(uploads, b"hours of work", "anna")
        assert read(uploads, blob, "anna") == b"hours of work"
        assert uploads.find(blob, "ben") is None
        shell.execute("ROLLBACK")
    uploads.holdings.settle()
    assert make_uploads().find(blob, "anna") is not None


def begin(uploads, number: int, user: str, *, age_s: float = 0.0) -> BlobId:
    """Begin a file and lose the connection."""
    blob = BlobId(f"{number:064x}", 1)
    uploads.reserve(blob, user)
    part = uploads.part(blob, user)
    part.write_bytes(b"part")
    written_s = time.time() - age_s
    os.utime(part, (written_s, written_s))
    uploads.note_abandoned(blob, user)
    return blob


def test_h6_a_client_leaves_a_bounded_number_of_parts(make_uploads):
    uploads = make_uploads()
    blobs = [begin(uploads, number, "mallory") for number in range(256)]
    with pytest.raises(Busy, match=r"256 files of yours were begun"):
        begin(uploads, 256, "mallory")
    begin(uploads, 256, "anna")
    begin(uploads, 0, "mallory")  # goes on
    uploads.part(blobs[7], "mallory").unlink()
    begin(uploads, 257, "mallory")


def test_h6_a_part_that_nobody_goes_on_with_makes_room_for_its_clients_next(make_uploads):
    uploads = make_uploads()
    blobs = [begin(uploads, number, "anna", age_s=7200 - number) for number in range(256)]
    begin(uploads, 256, "anna")
    are_there = [uploads.part(blob, "anna").exists() for blob in blobs]
    assert are_there == [False] + [True] * 255


def test_h6_the_parts_are_listed_again_only_when_one_has_come_or_gone(make_uploads, monkeypatch):
    uploads = make_uploads()
    for number in range(20):
        begin(uploads, number, "anna")
    staged, looks, scandir = uploads.blobs.staged, [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: looks.append(path) or scandir(path))
    os.utime(staged.folder, (1000, 1000))  # long ago
    for _ in range(100):
        assert staged.left_bytes() == 80
    assert len(looks) == 1
    uploads.part(BlobId(f"{3:064x}", 1), "anna").unlink()
    assert staged.left_bytes() == 76


def test_the_tag_of_an_owner_is_no_path():
    assert tag_of("../../etc").isalnum()
