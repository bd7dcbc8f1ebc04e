"""The blob store: whole files or none, room before bytes, pins before collection."""

from __future__ import annotations

import errno
import hashlib
import os

import pytest

from backend.store.blobs import BlobStore
from protocol.errors import ChecksumMismatch, DiskFull, UnknownBlob
from protocol.messages.jobs import BlobId
from tests.backend.conftest import put_blob


@pytest.fixture
def make_store(tmp_path):
    def make(**options) -> BlobStore:
        return BlobStore(tmp_path / "state", **options)

    return make


def files_of(store) -> list[str]:
    return [path.name for path in store.staging.parent.rglob("*") if path.is_file()]


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1])
def test_a_blob_is_named_by_its_hash(make_store, size):
    store, data = make_store(), os.urandom(size)
    blob = put_blob(store, data)
    assert blob == BlobId(hashlib.sha256(data).hexdigest(), size)
    path = store.path_of(blob)
    assert path.read_bytes() == data
    assert path.parent.name + path.name == blob.sha256


def test_another_size_is_another_blob(make_store):
    store = make_store()
    blob = put_blob(store, b"data")
    wrong = BlobId(blob.sha256, 5)
    assert not store.has(wrong)
    with pytest.raises(UnknownBlob):
        store.path_of(wrong)


def test_t6_a_file_of_another_size_than_announced_is_refused(make_store, tmp_path):
    store, path = make_store(), tmp_path / "file"
    path.write_bytes(b"data")
    with pytest.raises(ChecksumMismatch):
        store.adopt(path, BlobId("a" * 64, 3))


def test_t10_the_same_content_is_stored_once(make_store, tmp_path):
    store, path = make_store(), tmp_path / "file"
    blob = put_blob(store, b"data")
    path.write_bytes(b"data")
    store.adopt(path, blob)
    assert not path.exists()
    assert len(files_of(store)) == 1


def test_t9_the_quota_is_checked_before_the_first_byte(make_store):
    store = make_store(quota_bytes=100)
    store.pins.pin("job", [put_blob(store, b"x" * 60)])
    with pytest.raises(DiskFull) as refusal:
        store.reserve("transfer", 50)
    assert refusal.value.facts == {"side": "server", "need_bytes": "50", "have_bytes": "40"}
    put_blob(store, b"y" * 40)


def test_t9_the_disk_is_looked_at_before_the_first_byte(make_store):
    store = make_store(free_space=lambda root: (64 << 20) + 10)
    with pytest.raises(DiskFull) as refusal:
        store.reserve("transfer", 11)
    assert refusal.value.facts["have_bytes"] == "10"
    store.reserve("transfer", 10)
    with pytest.raises(DiskFull):
        store.reserve("another", 1)
    store.release("transfer")


def test_t9_full_at_the_rename_leaves_no_blob(make_store, monkeypatch):
    store = make_store()

    def replace(source, target):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(DiskFull):
        put_blob(store, b"data")
    assert files_of(store) == []
    assert store.used_bytes == store.staged.promised_bytes == 0


def test_t13_the_oldest_unpinned_blobs_make_room(make_store):
    store = make_store(quota_bytes=100)
    blobs = [put_blob(store, bytes([n]) * 30) for n in range(3)]
    store.pins.pin("job", blobs[:1])
    store.path_of(blobs[1])  # used again: now blob 2 is the oldest that is free
    newest = put_blob(store, b"new" * 10)
    assert [store.has(blob) for blob in (*blobs, newest)] == [True, True, False, True]


def test_t13_pins_are_counted(make_store):
    store = make_store()
    blob = put_blob(store, b"data")
    store.pins.pin("one", [blob])
    store.pins.pin("two", [blob, blob])
    store.pins.unpin("one")
    assert store.collect() == 0
    assert not store.discard(blob)
    store.pins.pin("two", [])  # takes the place of what it had pinned
    assert store.collect() == 4
    assert not store.has(blob)
    store.pins.unpin("nobody")


def test_a_restart_knows_the_blobs_in_the_order_of_their_use(make_store):
    store = make_store()
    first, second = put_blob(store, b"1"), put_blob(store, b"2")
    os.utime(store.path_of(second), (1000, 1000))
    store = make_store(quota_bytes=2)
    assert store.has(first)
    assert store.has(second)
    put_blob(store, b"3")
    assert (store.has(first), store.has(second)) == (True, False)


def test_dead_transfers_are_removed_by_age(make_store):
    store = make_store()
    old, new, held = (BlobId(letter * 64, 9) for letter in "abc")
    for blob, time_s in ((old, 1000), (new, 1990), (held, 1000)):
        store.partial_path(blob).write_bytes(b"part")
        os.utime(store.partial_path(blob), (time_s, time_s))
    store.reserve(store.partial_path(held).name, 9)
    assert store.clean(100, now_s=2000) == [store.partial_path(old)]
    store.release(store.partial_path(held).name)


def test_what_a_killed_server_was_writing_is_gone_and_parts_of_transfers_stay(make_store):
    store = make_store()
    (store.staging / "0123.tmp").write_bytes(b"half")
    store.partial_path(BlobId("a" * 64, 9)).write_bytes(b"part")
    assert [path.suffix for path in make_store().staging.iterdir()] == [".part"]


def leave_part(store, letter: str, size: int, time_s: float) -> BlobId:
    """What an interrupted transfer leaves."""
    blob = BlobId(letter * 64, size)
    store.partial_path(blob).write_bytes(bytes(size))
    os.utime(store.partial_path(blob), (time_s, time_s))
    return blob


def test_what_interrupted_transfers_have_left_counts_and_makes_room_when_it_must(make_store):
    store = make_store(quota_bytes=100)
    pinned, free = put_blob(store, b"p" * 20), put_blob(store, b"f" * 10)
    store.pins.pin("job", [pinned])
    old, new = leave_part(store, "a", 30, 1000), leave_part(store, "b", 30, 2000)
    assert store.room_bytes() == 10
    put_blob(store, b"x" * 20)  # the blob that nobody needs goes first
    assert not store.has(free)
    assert store.partial_path(old).exists()
    store.pins.pin("another", [put_blob(store, b"y" * 30)])
    assert not store.partial_path(old).exists()
    assert store.partial_path(new).exists()
    with pytest.raises(DiskFull):
        store.reserve("too much", 60)


def test_a_transfer_goes_on_where_its_own_part_has_filled_the_disk(make_store):
    blob = BlobId("a" * 64, 1 << 20)
    store = make_store(free_space=lambda root: 64 << 20)  # nothing but the spare
    with pytest.raises(DiskFull):
        store.reserve(store.partial_path(blob).name, blob.size)
    leave_part(store, "a", 1 << 20, 1000)
    store.reserve(store.partial_path(blob).name, blob.size)


def test_results_that_lie_on_the_disk_need_room_in_the_quota_only(make_store):
    store = make_store(quota_bytes=100, free_space=lambda root: 0)
    store.reserve("job", 100, is_written=True)
    assert store.room_bytes() == 0
    with pytest.raises(DiskFull):
        store.reserve("another", 1, is_written=True)
