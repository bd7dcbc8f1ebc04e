"""Who gets in, and what somebody who does not is told."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import subprocess
import sys
import time

import pytest
import zmq

from protocol import codec
from protocol import messages as m
from protocol.client.news import Connected, Disconnected
from protocol.errors import (
    EncryptionRequired,
    NotAuthorised,
    NotReachable,
    UnknownJob,
    VersionMismatch,
    WrongServerKey,
)
from protocol.keys import authorise, make_key_pair, revoke
from protocol.messages.jobs import Generate
from protocol.testing import RawPeer, raw_tcp
from tests.protocol.samples import BLOB

from .rig import OK, REAL_SERVER, until
from .server_process import PATIENCE_S, ROOT

FRAME_S = 0.016  # what a command may cost the thread that draws Blender's window


@pytest.fixture
def locked(make_rig):
    """A server with keys, for Anna and Ben."""
    rig = make_rig(encrypted=True)
    rig.start()
    return rig


def news_of(background, kind):
    """The next news of a kind."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not isinstance(news := background.news.get(timeout=PATIENCE_S), kind):
        assert time.monotonic() < deadline_s
    return news


def refused(client, expected: type[Exception], within_s: float) -> str:
    """What a client is told instead of being let in."""
    began_s = time.monotonic()
    with pytest.raises(expected) as refusal, client:
        pass
    assert time.monotonic() - began_s < within_s
    assert type(refusal.value) is expected
    return refusal.value.text


def start_that_is_refused(rig, *flags: str) -> str:
    """What `ex4d serve` says when it does not start."""
    refusal = subprocess.run(
        [sys.executable, *REAL_SERVER, "--data_dir", str(rig.data), *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert refusal.returncode == 2
    assert "Traceback" not in refusal.stderr
    return refusal.stderr.splitlines()[-1]


def test_c1_a_client_is_told_who_does_not_answer_and_connects_once_there_is_a_server(make_rig):
    rig = make_rig()
    text = refused(rig.client(), NotReachable, 5)
    assert rig.endpoint.removeprefix("tcp://") in text
    with rig.background() as background:
        waits = [news_of(background, Disconnected).retry_s for _ in range(4)]
        assert all(0 < wait_s <= 5 for wait_s in waits)
        costs = []
        for ask in (background.status, background.jobs, background.reconnect):
            began_s = time.perf_counter()
            ask()
            costs.append(time.perf_counter() - began_s)
        assert min(costs) < FRAME_S  # the machine is shared: one may be late
        rig.start(warm=False)  # with no client but this one, which comes when it likes
        assert news_of(background, Connected).welcome.server_name == "faults"


def test_c2_another_server_key_is_told_soon_and_not_tried_again(locked):
    other = make_key_pair().public
    assert "differs" in refused(locked.client(server_key=other), WrongServerKey, 2)
    with locked.background(server_key=other) as background:
        news = news_of(background, Disconnected)
        assert (type(news.error), news.retry_s) == (WrongServerKey, None)
        with pytest.raises(queue.Empty):
            background.news.get(timeout=0.5)
    with locked.client() as client:
        until(lambda: client.status().connections, lambda count: count == 1)


def test_c3_a_stranger_is_told_so_and_gets_in_once_authorised(locked):
    assert "does not know" in refused(locked.client("stranger"), NotAuthorised, 2)
    with locked.background("stranger") as background:
        assert isinstance(news_of(background, Disconnected).error, NotAuthorised)
        clients = locked.root / "keys" / "clients"
        authorise(clients, "stranger", locked.keys["stranger"].public)
        background.reconnect()
        assert news_of(background, Connected)


def test_h10_a_revoked_client_does_not_get_in_again(locked):
    clients = locked.root / "keys" / "clients"
    with locked.client("ben") as ben:
        revoke(clients, name="anna")
        assert "does not know" in refused(locked.client("anna"), NotAuthorised, 2)
        assert ben.jobs() == []
    authorise(clients, "anna", locked.keys["anna"].public)
    with locked.client("anna"):
        pass


def test_h16_a_server_whose_secret_others_may_read_does_not_start(make_rig):
    rig = make_rig(encrypted=True)
    secret = rig.root / "keys" / "server.secret"
    secret.chmod(0o644)
    refusal = start_that_is_refused(rig, "--bind", rig.endpoint, "--keys", str(secret.parent))
    assert f"{secret} is a secret that others may read" in refusal
    secret.chmod(0o600)


def test_c4_a_plain_client_does_not_talk_to_a_server_with_keys(locked):
    plain = locked.client(server_key=None, keys=None)
    assert "is encrypted" in refused(plain, EncryptionRequired, 2)


def test_c4_a_client_with_keys_does_not_talk_to_a_plain_server(rig):
    keys = make_key_pair()
    client = rig.client(server_key=make_key_pair().public, keys=keys)
    assert "does not encrypt" in refused(client, EncryptionRequired, 2)


def test_c10_500_idle_connections_and_garbage_cost_others_nothing_and_few_lines(locked):
    with contextlib.ExitStack() as idle, locked.client() as client:
        for port in locked.ports * 250:
            idle.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))
        for noise in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\x01", os.urandom(4096)):
            for _ in range(20):
                raw_tcp(locked.ports[0], noise, timeout_s=0.05)
        assert client.ping() < 1
        with locked.client("ben") as newcomer:
            assert newcomer.jobs() == []
    assert len(locked.server.log) < 60


def test_c10_unknown_keys_by_the_hundred_are_a_few_lines(locked):
    server_key = locked.keys["server"].public.encode()
    with zmq.Context() as context:
        for _ in range(300):
            with context.socket(zmq.DEALER) as stranger:
                stranger.curve_publickey, stranger.curve_secretkey = zmq.curve_keypair()
                stranger.curve_serverkey = server_key
                monitor = stranger.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
                stranger.connect(locked.endpoint)
                assert monitor.poll(PATIENCE_S * 1000)
                stranger.disable_monitor()
                monitor.close()
    refused_lines = [line for line in locked.server.log if "refused" in line]
    assert 1 <= len(refused_lines) <= 10
    with locked.client():
        until(lambda: locked.server.log, lambda log: any("anna connects" in line for line in log))


@pytest.mark.parametrize("major", [0, 2])
def test_c8_another_major_version_is_refused_and_nothing_else_is_heard(rig, client, major):
    with RawPeer(rig.endpoint) as peer:
        refusal = peer.hello(major=major)
        assert (refusal.code, refusal.reply_to) == ("version_mismatch", 1)
        assert f"{major}.0" in refusal.text
        assert "1.0" in refusal.text
        assert ("Update the server" in refusal.text) == (major == 2)
        answer = peer.control(codec.encode_control(m.GetStatus(7)))
        assert (answer.code, answer.reply_to) == ("protocol_error", 7)
        until(lambda: client.status().connections, lambda count: count == 1)


def test_c8_a_client_of_another_version_names_both(rig, monkeypatch):
    monkeypatch.setattr("protocol.client.conversation.MAJOR", 2)
    text = refused(rig.client(), VersionMismatch, 5)
    assert "2.0" in text
    assert "1.0" in text


def test_c9_a_message_before_hello_and_a_second_hello_change_nothing(rig, client):
    with RawPeer(rig.endpoint) as peer:
        submit = m.Submit(5, "key", Generate(BLOB, BLOB))
        answer = peer.control(codec.encode_control(submit))
        assert (answer.code, answer.reply_to) == ("protocol_error", 5)
        connection = peer.hello().connection
        assert peer.hello().code == "protocol_error"
        assert peer.control(codec.encode_control(m.Ping(7))) == m.Pong(7)
        with RawPeer(f"tcp://127.0.0.1:{rig.ports[1]}") as data:
            assert data.hello("f" * 32).code == "protocol_error"
            assert data.hello(connection).connection == connection
            assert data.hello(connection).code == "protocol_error"
        until(lambda: client.status().connections, lambda count: count == 2)
    assert client.jobs() == []


def test_c11_each_client_sees_only_its_own_jobs(locked):
    with locked.client("anna") as anna, locked.client("ben") as ben:
        info = locked.submit(anna, OK)
        locked.ended(anna, info.job_id)
        assert ben.jobs() == []
        for ask in (ben.job, ben.cancel, ben.resume, ben.release, ben.subscribe):
            with pytest.raises(UnknownJob):
                ask(info.job_id)
        assert [job.job_id for job in anna.jobs()] == [info.job_id]


def test_c12_a_bind_that_others_can_reach_needs_keys(make_rig):
    rig = make_rig()
    (rig.root / "keys").mkdir()
    bind = ["--bind", f"tcp://0.0.0.0:{rig.ports[0]}"]
    assert "needs keys" in start_that_is_refused(rig, *bind)
    assert "server.key" in start_that_is_refused(rig, *bind, "--keys", str(rig.root / "keys"))
    refused(rig.client(), NotReachable, 5)
