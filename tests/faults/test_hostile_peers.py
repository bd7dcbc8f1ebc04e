"""What other peers do ends neither the server nor a client, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from functools import partial

import pytest
import zmq

from protocol.messages.jobs import JobState

from .hostile import (
    GREETING,
    PING,
    READY,
    Hostiles,
    data_address,
    hello,
    memory_bytes,
    peak_bytes,
    reset,
    until_answered,
)
from .rig import OK, REAL_SERVER, packed, until
from .server_process import PATIENCE_S, ROOT, Footprint

MIB = 1 << 20
TIMER_S = 10.0  # libzmq's heartbeat, where one is on, has fired twice by then
HOLD_S = 10.0
CLIENT_SOCKETS = 2  # control and data, of the client that was connected at the first look


@pytest.fixture(params=[False, True], ids=["plain", "curve"])
def product(make_rig, request):
    """`ex4d serve` with the product's own times."""
    rig = make_rig(encrypted=request.param)
    rig.start(command=REAL_SERVER)
    return rig


def outlives(rig, for_s: float) -> None:
    """The server serves a client for so long, and is there at the end."""
    end_s = time.monotonic() + for_s
    with rig.client("ben") as client:
        while time.monotonic() < end_s:
            assert rig.server.is_running, f"the server has ended: {rig.server.log[-3:]}"
            client.ping()
            time.sleep(0.05)
    assert rig.server.is_running


def test_h1_a_second_peer_with_a_taken_routing_id_does_not_end_the_server(product):
    """Its queue was never read; full when it left, libzmq's timer ended the process."""
    with Hostiles() as hostiles:
        seconds = []
        for address in (product.address(), data_address(product)):
            first = hostiles.dealer(address, routing_id=b"same")
            first.send(b"x")
            until_answered(first)
            seconds.append(hostiles.dealer(address, routing_id=b"same", sndhwm=1000))
            for _ in range(300):
                seconds[-1].send(PING)
        outlives(product, 0.5)  # they fill the queues
        for second in seconds:
            second.close()
        outlives(product, TIMER_S)


def test_h1_peers_that_leave_with_full_queues_do_not_end_the_server(product):
    """They flood it just before the timer fires, and are gone when it does."""
    with Hostiles() as hostiles:
        peers = [hostiles.dealer(product.address(), rcvhwm=4, sndhwm=100_000) for _ in range(60)]
        began_s = time.monotonic()
        for peer in peers:
            peer.send(hello(client_id=os.urandom(16).hex()))
        outlives(product, 4.6)
        ask = packed(type="get_jobs", id=5)
        while time.monotonic() < began_s + 4.9:
            for peer in peers:
                for _ in range(20):
                    try:
                        peer.send(ask, zmq.NOBLOCK)
                    except zmq.Again:
                        break
    outlives(product, TIMER_S)


def test_h1_a_peer_that_is_reset_with_a_full_queue_does_not_end_the_server(make_rig):
    """The same by RST from a socket that speaks ZMTP itself."""
    rig = make_rig()
    rig.start(command=REAL_SERVER)
    frame = bytes([0, len(PING)]) + PING
    peers = [socket.create_connection(("127.0.0.1", rig.ports[0]), timeout=2) for _ in range(8)]
    for peer in peers:
        peer.sendall(GREETING + READY)
    for _ in range(20):
        for peer in peers:
            try:
                peer.sendall(frame * 500)
            except OSError:  # it is cut, or nobody reads
                break
    for peer in peers:
        reset(peer)
    outlives(rig, TIMER_S)


def test_h1_taken_routing_ids_leak_neither_memory_nor_descriptors(make_rig):
    """64 messages of 4 MiB lay in the queue of each, and stayed when it had left."""
    rig = make_rig()
    rig.start(command=REAL_SERVER)
    before = memory_bytes(rig)
    with Hostiles() as hostiles:
        first = hostiles.dealer(data_address(rig), routing_id=b"same")
        first.send(b"x")
        for _ in range(3):
            other = hostiles.dealer(data_address(rig), routing_id=b"same", sndhwm=8)
            for _ in range(66):
                if not other.poll(500, zmq.POLLOUT):
                    break
                with contextlib.suppress(zmq.Again):  # closed since the poll
                    other.send(bytes(4 * MIB), zmq.NOBLOCK, copy=False)
        outlives(rig, 1)
        assert peak_bytes(rig) - before < 128 * MIB
    outlives(rig, 1)
    # libzmq hears no more of the one whose id was taken. The server does away with it when it has
    # not greeted for 15 s, and with what libzmq keeps of it 10 s later.
    without_clients = rig.server.before.n_descriptors - CLIENT_SOCKETS
    footprint = partial(Footprint.of, rig.server.process.pid)
    until(footprint, lambda now: now.n_descriptors <= without_clients)


def test_h1_a_client_that_is_held_outlives_its_server(make_rig):
    """Events fill its queue while an operator has the interpreter, and the server is killed: then
    libzmq's timer ended the client's process, which is Blender."""
    rig = make_rig()
    rig.start(warm=False)
    with rig.client() as client:
        first = rig.submit(client, ("gate", str(rig.gate)), OK)
        jobs = [first, *(rig.submit(client, ("progress", "a", 1, 2), OK) for _ in range(50))]
        command = ["-m", "tests.faults.held_client", rig.endpoint, str(HOLD_S)]
        ids = json.dumps([job.job_id for job in jobs])
        with subprocess.Popen(
            [sys.executable, *command, ids], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as held:
            assert held.stdout.readline().strip() == "holding"
            rig.gate.touch()
            assert rig.ended(client, jobs[-1].job_id).state is JobState.DONE
            until(lambda: client.status().running, lambda running: running == 0)
            rig.server.end()
            rig.start(warm=False)
            said = held.stdout.read().split()
            assert held.wait(PATIENCE_S) == 0, f"the client ended by {held.returncode}"
    assert said == ["connected", "done", "51"]


@pytest.mark.alone
def test_h1_keys_that_are_refused_at_full_speed_leave_nothing(make_rig):
    """Each was asked for, logged and counted on the thread that serves."""
    rig = make_rig(encrypted=True)
    rig.start(command=REAL_SERVER)
    size = sum(map(len, rig.server.log))
    times = []
    with rig.client() as client:
        for _ in range(30):
            with Hostiles() as hostiles:
                for _ in range(20):
                    hostiles.dealer(rig.address("stranger"))
                times += [client.ping() for _ in range(5)]
    assert sorted(times)[len(times) * 9 // 10] < 0.05
    assert sum(map(len, rig.server.log)) - size < 20_000


@pytest.mark.parametrize("which", [0, 1], ids=["control", "data"])
def test_h1_a_peer_of_an_older_zmtp_does_not_end_the_server(product, which):
    """ZMTP 1 has no greeting and no properties: a length, flags and bytes. An HTTP request reads
    as such, too."""
    old = b"\x01\x00" + b"".join(bytes([len(text) + 1, 0]) + text for text in (b"hello", PING))
    for data in (old, old * 30, b"GET / HTTP/1.1\r\n\r\n" + bytes(200), b"\x01\x01" * 300):
        with socket.create_connection(("127.0.0.1", product.ports[which]), timeout=2) as peer:
            peer.sendall(data)
            outlives(product, 0.3)
