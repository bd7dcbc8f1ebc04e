"""Peers that do not keep to the protocol: refused, and others are served."""

from __future__ import annotations

import zlib

import msgspec
import pytest

from protocol import codec
from protocol import messages as m
from protocol.client import Client
from protocol.limits import CONTROL_BYTES, INVALID_IN_A_ROW
from protocol.messages.jobs import Generate, JobState
from protocol.testing import RawPeer, raw_tcp
from protocol.transfer import blob_of
from protocol.wire import Address

from ..conftest import QUICK
from ..samples import BLOB, as_map

PING = codec.encode_control(m.Ping(7))


@pytest.fixture(autouse=True)
def _others_are_served(server):
    """After every case."""
    yield
    with Client(Address(server.endpoint), timeouts=QUICK) as client:
        client.ping()


@pytest.fixture
def peer(server):
    with RawPeer(server.endpoint) as peer:
        yield peer


@pytest.fixture
def data_peer(server, peer):
    """A greeted data socket."""
    connection = peer.hello().connection
    with RawPeer(f"tcp://127.0.0.1:{server.ports[1]}") as data:
        data.data(codec.encode_control(hello(connection)))
        yield data


def hello(connection: str = "") -> m.Hello:
    return m.Hello(1, 1, 0, "0" * 32, "raw", "0", connection)


def test_c9_a_message_before_hello_changes_nothing(server, peer):
    submit = m.Submit(5, "key", Generate(BLOB, BLOB))
    answer = peer.control(codec.encode_control(submit))
    assert (answer.code, answer.reply_to) == ("protocol_error", 5)
    assert server.jobs.jobs() == []


def test_c9_a_second_hello_changes_nothing(server, peer):
    connection = peer.hello().connection
    assert peer.hello().code == "protocol_error"
    assert [session.connection for session in server.sessions.all()] == [connection]
    assert peer.control(PING).reply_to == 7


@pytest.mark.parametrize("connection", ["f" * 32, ""])
def test_c9_a_data_socket_joins_only_an_open_connection(server, connection):
    with RawPeer(f"tcp://127.0.0.1:{server.ports[1]}") as data:
        answer = data.data(codec.encode_control(hello(connection)))
        assert answer.code == "protocol_error"


def test_c9_a_connection_has_one_data_socket(server, peer, data_peer):
    (session,) = server.sessions.all()
    with RawPeer(f"tcp://127.0.0.1:{server.ports[1]}") as second:
        answer = second.data(codec.encode_control(hello(session.connection)))
        assert answer.code == "protocol_error"


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        b"",
        bytes(100_000),
    ],
    ids=["http", "tls", "nothing", "zeros"],
)
def test_c10_what_is_not_zeromq_is_cut_off(server, garbage):
    raw_tcp(server.ports[0], garbage, timeout_s=0.3)


def test_m1_what_cannot_be_read_is_answered_with_its_number(peer):
    peer.hello()
    answer = peer.control(msgspec.msgpack.encode({"type": "ping", "id": 9, "more": 1}))
    assert (answer.code, answer.reply_to, answer.facts["field"]) == ("invalid_message", 9, "$.more")
    assert peer.control(PING).reply_to == 7


def test_m1_after_20_in_a_row_a_peer_is_heard_no_more(server, peer):
    peer.hello()
    for _ in range(INVALID_IN_A_ROW):
        assert peer.control(b"\xc1").code == "invalid_message"
    peer.send(PING)
    assert peer.quiet(0.2)
    assert len(server.sessions) == 0


def test_m1_one_good_message_starts_the_count_again(peer):
    peer.hello()
    for _ in range(2):
        for _ in range(INVALID_IN_A_ROW - 1):
            peer.control(b"\xc1")
        assert peer.control(PING).reply_to == 7


def test_m3_a_peer_that_sends_a_frame_over_the_limit_is_cut_off(server, peer):
    peer.hello()
    peer.send(bytes(CONTROL_BYTES + 1))
    assert peer.quiet(0.3)


def test_m4_extra_frames_are_refused(peer):
    peer.hello()
    assert peer.control(PING, PING).code == "invalid_message"
    assert peer.control(*[b""] * 10_000).code == "invalid_message"


def test_m5_an_unknown_type_is_told_and_the_connection_stays(peer):
    peer.hello()
    answer = peer.control(msgspec.msgpack.encode({"type": "teleport", "id": 3}))
    assert (answer.code, answer.reply_to) == ("unknown_type", 3)
    assert peer.control(PING).reply_to == 7


def test_a_message_of_the_server_is_unexpected_at_the_server(peer):
    peer.hello()
    assert peer.control(codec.encode_control(m.Pong(3))).code == "protocol_error"


def test_t5_a_chunk_of_no_transfer_is_refused(data_peer):
    chunk = m.Chunk(99, 0, 3, zlib.crc32(b"abc"))
    answer = data_peer.data(*codec.encode_data(chunk, b"abc"))
    assert (answer.code, answer.reply_to) == ("protocol_error", 99)


def test_t5_bytes_beyond_the_end_are_refused_and_the_upload_goes_on(server, data_peer, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"abc")
    blob = blob_of(source)
    data_peer.data(*codec.encode_data(m.BeginUpload(5, blob)))
    long = m.Chunk(5, 2, 3, zlib.crc32(b"xyz"))
    assert data_peer.data(*codec.encode_data(long, b"xyz")).code == "invalid_message"
    right = m.Chunk(5, 0, 3, zlib.crc32(b"abc"))
    assert data_peer.data(*codec.encode_data(right, b"abc")).offset == 3
    assert data_peer.data(*codec.encode_data(m.FinishUpload(6, 5))).blob == blob


def test_t6_a_lie_about_the_hash_is_told_and_leaves_nothing(server, data_peer):
    lie = m.BeginUpload(5, type(BLOB)("0" * 64, 3))
    data_peer.data(*codec.encode_data(lie))
    chunk = m.Chunk(5, 0, 3, zlib.crc32(b"abc"))
    data_peer.data(*codec.encode_data(chunk, b"abc"))
    answer = data_peer.data(*codec.encode_data(m.FinishUpload(6, 5)))
    assert (answer.code, answer.reply_to) == ("checksum_mismatch", 6)
    assert not list(server.store.staging.iterdir())
    assert not list(server.store.blobs.iterdir())


@pytest.mark.parametrize(("offset", "size"), [(0, 11), (10, 1), (1 << 40, 1), (0, 1 << 22)])
def test_a_range_outside_of_a_file_cannot_be_fetched(server, data_peer, offset, size):
    blob = server.store.add(b"0123456789")
    fetch = m.Fetch(5, blob, offset, size)
    assert data_peer.data(*codec.encode_data(fetch)).code == "invalid_message"


def test_m7_a_name_in_an_address_never_becomes_a_path(server, data_peer):
    trick = as_map(m.BeginUpload(5, BLOB))
    trick["blob"]["sha256"] = "../" * 21 + "x"
    assert data_peer.data(msgspec.msgpack.encode(trick)).code == "invalid_message"
    assert not list(server.store.staging.iterdir())


def test_a_file_that_cannot_be_read_costs_its_request_and_not_the_server(server, data_peer, caplog):
    folder = server.store.final(BLOB)
    folder.mkdir()  # reading it is an error that nobody has foreseen
    blob = type(BLOB)(BLOB.sha256, folder.stat().st_size)
    answer = data_peer.data(*codec.encode_data(m.Fetch(5, blob, 0, 100)))
    assert (answer.code, answer.reply_to) == ("error", 5)
    assert "IsADirectoryError" in caplog.text


def test_an_answer_beyond_the_limit_is_told_and_not_the_end_of_the_server(server, peer, caplog):
    peer.hello()
    info, _ = server.jobs.submit(m.Submit(5, "key", Generate(BLOB, BLOB)), "")
    server.jobs.advance(info.job_id, JobState.RUNNING)
    results = {str(number): BLOB for number in range(20_000)}
    server.jobs.advance(info.job_id, JobState.DONE, results=results)
    answer = peer.control(codec.encode_control(m.GetJob(6, info.job_id)))
    assert (answer.code, answer.reply_to) == ("too_large", 6)
    assert "cannot be sent" in caplog.text


def test_h15_repeats_that_bring_nothing_do_not_keep_an_upload(server, data_peer, tmp_path):
    """Another client waits for the same file; the first only says again what is here."""
    server.sockets.transfers.uploads._stall_s = 0.3
    source = tmp_path / "source"
    source.write_bytes(b"abcdef")
    blob = blob_of(source)
    data_peer.data(*codec.encode_data(m.BeginUpload(5, blob)))
    first = codec.encode_data(m.Chunk(5, 0, 3, zlib.crc32(b"abc")), b"abc")
    assert data_peer.data(*first).offset == 3
    with RawPeer(server.endpoint) as control, RawPeer(data_of(server)) as other:
        other.hello(control.hello(client_id="1" * 32).connection, client_id="1" * 32)
        begin = codec.encode_data(m.BeginUpload(7, blob))
        assert other.data(*begin).code == "busy"
        while isinstance(answer := other.data(*begin), m.Failure):
            assert answer.code == "busy"
            assert data_peer.data(*first).offset == 3
        assert answer.offset == 3
        assert data_peer.data(*first).code == "protocol_error"


def data_of(server) -> str:
    return f"tcp://127.0.0.1:{server.ports[1]}"
