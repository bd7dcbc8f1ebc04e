"""Sender and Receiver against each other, without sockets."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import ChecksumMismatch, Corrupt, DiskFull, FileChanged, InvalidMessage
from protocol.messages import Chunk, ChunkAck, ChunkAgain
from protocol.messages.jobs import BlobId
from protocol.transfer import FetchPlan, Receiver, Sender, blob_of, verified_bytes

CHUNK = 1000


def randbytes(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311 - no secret


def blob_for(content: bytes) -> BlobId:
    return BlobId(hashlib.sha256(content).hexdigest(), len(content))


def chunk_of(content: bytes, offset: int, size: int) -> tuple[Chunk, bytes]:
    data = content[offset : offset + size]
    return Chunk(1, offset, len(data), zlib.crc32(data)), data


def carry(sender: Sender, receiver: Receiver, window: int, most: int = 10**9) -> int:
    """Bring chunks over until done or `most` were; return how many."""
    for count in range(most):
        if sender.done:
            return count
        item = sender.next()
        assert item is not None
        if receiver.write(*item):
            sender.on_ack(ChunkAck(1, receiver.offset, window))
        else:
            sender.on_again(ChunkAgain(1, item[0].offset, item[0].size))
    return most


@pytest.fixture
def content():
    return randbytes(1, 10 * CHUNK + 123)


@pytest.fixture
def source(tmp_path, content):
    path = tmp_path / "source"
    path.write_bytes(content)
    return path


@pytest.fixture
def part(tmp_path):
    return tmp_path / "staging" / "x.part"


@pytest.fixture
def target(tmp_path):
    return tmp_path / "blobs" / "x"


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_t12_a_file_of_any_size_arrives(tmp_path, part, target, size):
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size))
    blob = blob_of(source)
    with Sender(source, blob, chunk_bytes=CHUNK) as sender, Receiver(part, blob) as receiver:
        sender.start(1, receiver.offset, 4 * CHUNK)
        carry(sender, receiver, 4 * CHUNK)
        receiver.finish(target)
    assert target.read_bytes() == source.read_bytes()
    assert not part.exists()


def test_t12_offsets_beyond_4_gib_are_right(tmp_path):
    source = tmp_path / "sparse"
    with open(source, "wb") as file:
        file.truncate(5 << 30)
        file.seek((5 << 30) - 3)
        file.write(b"end")
    with Sender(source, BlobId("0" * 64, 5 << 30)) as sender:
        sender.start(1, (5 << 30) - 5, 1 << 20)
        chunk, data = sender.next()
    assert (chunk.offset, data) == ((5 << 30) - 5, b"\0\0end")


def test_the_sender_never_has_more_under_way_than_its_credit(source):
    with Sender(source, blob_of(source), chunk_bytes=CHUNK) as sender:
        sender.start(1, 0, 3 * CHUNK)
        assert [sender.next()[0].offset for _ in range(3)] == [0, CHUNK, 2 * CHUNK]
        assert sender.next() is None
        sender.on_ack(ChunkAck(1, CHUNK, 3 * CHUNK))
        assert sender.next()[0].offset == 3 * CHUNK
        assert sender.next() is None


def test_a_window_smaller_than_a_chunk_still_lets_one_through(source):
    with Sender(source, blob_of(source), chunk_bytes=CHUNK) as sender:
        sender.start(1, 0, 10)
        assert sender.next() is not None
        assert sender.next() is None


def test_acks_of_another_transfer_give_no_credit(source):
    with Sender(source, blob_of(source), chunk_bytes=CHUNK) as sender:
        sender.start(5, 0, CHUNK)
        sender.next()
        sender.on_ack(ChunkAck(4, CHUNK, 10 * CHUNK))
        assert sender.next() is None


@pytest.mark.parametrize("stop", [1, 5, 10])
def test_t1_a_new_receiver_goes_on_after_the_last_verified_chunk(source, part, target, stop):
    blob = blob_of(source)
    with Sender(source, blob, chunk_bytes=CHUNK) as sender:
        with Receiver(part, blob) as receiver:
            sender.start(1, 0, 4 * CHUNK)
            carry(sender, receiver, 4 * CHUNK, most=stop)
        assert verified_bytes(part, blob) == stop * CHUNK
        with Receiver(part, blob) as receiver:
            assert receiver.offset == stop * CHUNK
            sender.start(1, receiver.offset, 4 * CHUNK)
            assert carry(sender, receiver, 4 * CHUNK) == 11 - stop
            receiver.finish(target)
    assert target.read_bytes() == source.read_bytes()


def test_t1_a_part_that_is_none_of_ours_is_begun_anew(source, part):
    part.parent.mkdir()
    part.write_bytes(b"something else")
    with Receiver(part, blob_of(source)) as receiver:
        assert receiver.offset == 0


def test_t4_a_damaged_chunk_is_refused_and_taken_when_it_comes_again(content, part, target):
    with Receiver(part, blob_for(content)) as receiver:
        chunk, data = chunk_of(content, 0, CHUNK)
        assert not receiver.write(chunk, bytes([data[0] ^ 1]) + data[1:])
        assert receiver.offset == 0
        for offset in range(0, len(content), CHUNK):
            assert receiver.write(*chunk_of(content, offset, CHUNK))
        receiver.finish(target)
    assert target.read_bytes() == content


def test_t4_a_chunk_damaged_again_and_again_is_corrupt(content, part):
    with Receiver(part, blob_for(content)) as receiver:
        chunk, _ = chunk_of(content, 0, CHUNK)
        for _ in range(3):
            assert not receiver.write(chunk, bytes(CHUNK))
        with pytest.raises(Corrupt):
            receiver.write(chunk, bytes(CHUNK))


def test_t4_a_part_that_was_damaged_on_disk_never_gets_a_final_name(content, part, target):
    blob = blob_for(content)
    with Receiver(part, blob) as receiver:
        receiver.write(*chunk_of(content, 0, 5 * CHUNK))
    with open(part, "r+b") as file:
        file.seek(700)
        file.write(bytes([content[700] ^ 1]))
    with Receiver(part, blob) as receiver:
        receiver.write(*chunk_of(content, 5 * CHUNK, len(content)))
        with pytest.raises(ChecksumMismatch):
            receiver.finish(target)
    assert not part.exists()
    assert not target.exists()


@given(st.data())
def test_t5_any_order_overlap_and_repetition_makes_the_same_file(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("t5")
    size = data.draw(st.integers(1, 400))
    content = randbytes(size, size)
    pieces = data.draw(st.lists(st.tuples(st.integers(0, size - 1), st.integers(1, 100))))
    pieces += [(offset, 37) for offset in range(0, size, 37)]
    pieces = data.draw(st.permutations(pieces))
    restart = data.draw(st.integers(0, len(pieces)))
    part, blob = folder / "x.part", blob_for(content)
    with Receiver(part, blob) as receiver:
        for offset, length in pieces[:restart]:
            assert receiver.write(*chunk_of(content, offset, length))
    with Receiver(part, blob) as receiver:
        assert content[: receiver.offset] == part.read_bytes()[: receiver.offset]
        for offset, length in pieces:
            assert receiver.write(*chunk_of(content, offset, length))
        receiver.finish(folder / "x")
    assert (folder / "x").read_bytes() == content


def test_t5_bytes_that_are_verified_are_not_replaced(content, part, target):
    with Receiver(part, blob_for(content)) as receiver:
        receiver.write(*chunk_of(content, 0, 3 * CHUNK))
        receiver.write(*chunk_of(bytes(len(content)), 0, 2 * CHUNK))  # valid, but late
        receiver.write(*chunk_of(content, 3 * CHUNK, len(content)))
        receiver.finish(target)
    assert target.read_bytes() == content


def test_t5_bytes_beyond_the_end_are_refused(content, part):
    with Receiver(part, blob_for(content)) as receiver, pytest.raises(InvalidMessage):
        receiver.write(Chunk(1, len(content) - 1, 2, 0), b"ab")


def test_t5_a_file_with_gaps_cannot_be_finished(content, part, target):
    with Receiver(part, blob_for(content)) as receiver:
        receiver.write(*chunk_of(content, CHUNK, CHUNK))
        with pytest.raises(InvalidMessage):
            receiver.finish(target)
    assert not target.exists()


def test_t6_a_wrong_hash_is_noticed_and_the_part_removed(content, part, target):
    with Receiver(part, BlobId("0" * 64, len(content))) as receiver:
        receiver.write(*chunk_of(content, 0, len(content)))
        with pytest.raises(ChecksumMismatch):
            receiver.finish(target)
    assert not part.exists()
    assert not target.exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
def test_t9_no_room_is_told_before_the_first_byte_and_leaves_nothing(content, part, code):
    def no_room(fd, size, path):
        raise OSError(code, "full")

    with pytest.raises(DiskFull) as caught:
        Receiver(part, blob_for(content), reserve=no_room)
    assert caught.value.facts["need_bytes"] == str(len(content))
    assert not part.exists()


def test_t9_a_file_larger_than_the_disk_is_refused_at_once(part):
    with pytest.raises(DiskFull) as caught:
        Receiver(part, BlobId("0" * 64, 1 << 44))
    assert int(caught.value.facts["have_bytes"]) < 1 << 44
    assert not part.exists()


def test_t11_a_file_that_grows_or_changes_while_it_is_sent_is_noticed(source, content):
    with Sender(source, blob_of(source), chunk_bytes=CHUNK) as sender:
        sender.start(1, 0, 4 * CHUNK)
        sender.next()
        with open(source, "ab") as file:
            file.write(b"more")
        with pytest.raises(FileChanged):
            sender.next()
    source.write_bytes(content)
    with Sender(source, blob_of(source), chunk_bytes=CHUNK) as sender:
        sender.start(1, 0, 4 * CHUNK)
        os.utime(source, ns=(1, 1))
        with pytest.raises(FileChanged):
            sender.next()


def test_t11_a_file_that_was_cut_short_is_noticed(source, content):
    blob = blob_of(source)
    with Sender(source, blob, chunk_bytes=CHUNK) as sender:
        sender.start(1, 8 * CHUNK, 4 * CHUNK)
        os.truncate(source, 100)
        with pytest.raises(FileChanged):
            sender.next()
    with pytest.raises(FileChanged):
        Sender(source, blob)


@given(st.integers(0, 5000), st.integers(1, 900), st.integers(1, 4000), st.randoms())
def test_the_plan_asks_for_every_byte_once_and_never_beyond_the_window(size, chunk, window, rng):
    plan, covered, under_way, number = FetchPlan(0, size, chunk), [], {}, 0
    while True:
        while asked := plan.next(number, window):
            under_way[number] = asked
            number += 1
        assert plan.under_way <= max(window, chunk)
        if not under_way:
            break
        chosen = rng.choice(list(under_way))
        offset, length = under_way.pop(chosen)
        assert plan.arrived(chosen, offset, length)
        assert not plan.arrived(chosen, offset, length)
        covered.append((offset, length))
    assert sum(length for _, length in covered) == size
    assert len(set(covered)) == len(covered)
