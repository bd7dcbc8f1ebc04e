"""Stored files that nobody can vouch for are hashed once, before anybody gets a byte (H9)."""

from __future__ import annotations

import os

import pytest

from protocol import codec
from protocol import messages as m
from protocol.testing import RawPeer

PIECE = 1 << 18


@pytest.fixture
def doubtful(server, monkeypatch):
    """The server's store doubts every file until it was found to be right."""
    good, hashed = set(), []
    monkeypatch.setattr(server.store, "is_doubtful", lambda blob: blob not in good)
    monkeypatch.setattr(server.store, "known_good", lambda blob: (good.add(blob), hashed.append(1)))
    return hashed


@pytest.fixture
def joined(server):
    with RawPeer(server.endpoint) as control, RawPeer(data_of(server)) as data:
        data.hello(control.hello().connection)
        yield data


def data_of(server) -> str:
    return f"tcp://127.0.0.1:{server.ports[1]}"


def ask_for_all(peer: RawPeer, blob) -> list:
    """Ask for every piece before an answer is read, as a window does."""
    offsets = range(0, blob.size, PIECE)
    for number, offset in enumerate(offsets, 10):
        size = min(PIECE, blob.size - offset)
        peer.send(*codec.encode_data(m.Fetch(number, blob, offset, size)))
    return [codec.decode_data(peer.receive()) for _ in offsets]


def test_h9_a_doubtful_file_that_is_right_is_hashed_once(server, doubtful, joined):
    content = os.urandom(5 * PIECE + 17)
    blob = server.store.add(content)
    answers = sorted(ask_for_all(joined, blob), key=lambda answer: answer[0].offset)
    assert b"".join(payload for _, payload in answers) == content
    assert len(doubtful) == 1
    assert len(ask_for_all(joined, blob)) == 6
    assert len(doubtful) == 1


def test_h9_a_damaged_file_goes_and_what_is_sent_again_is_given_to_all(server, doubtful, joined):
    content = os.urandom(3 * PIECE)
    blob = server.store.add(content)
    path = server.store.final(blob)
    path.write_bytes(content[:-1] + b"x")
    codes = {answer.code for answer, _ in ask_for_all(joined, blob)}
    assert codes == {"unknown_blob"}
    assert not path.exists()
    server.store.add(content)
    answers = sorted(ask_for_all(joined, blob), key=lambda answer: answer[0].offset)
    assert b"".join(payload for _, payload in answers) == content


def test_h9_a_file_that_was_replaced_meanwhile_is_not_the_one_that_was_damaged(server):
    blob = server.store.add(b"right")
    server.store.set_aside(blob, inode=0)  # of the file before
    assert server.store.final(blob).read_bytes() == b"right"


def test_answers_between_pieces_are_never_lost(server, joined):
    """A window of small pieces fills the queue of the peer; its other requests wait, and come."""
    blob = server.store.add(os.urandom(128 * PIECE))
    for number in range(100):
        fetch = m.Fetch(10 + number, blob, number * PIECE, PIECE)
        joined.send(*codec.encode_data(fetch))
        if number % 10 == 0:
            joined.send(*codec.encode_data(m.AskBlobs(1000 + number, [blob])))
    kinds = [type(codec.decode_data(joined.receive())[0]) for _ in range(110)]
    assert kinds.count(m.Chunk) == 100
    assert kinds.count(m.Lacking) == 10
