"""A server, a client and what they leave behind."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
import zmq

from protocol.client import Client, Timeouts
from protocol.keys import make_key_pair
from protocol.testing import FakeServer
from protocol.wire import Address

QUICK = Timeouts(connect_s=3, reply_s=10, resend_s=1, stall_s=1, patience_s=20, finish_s=10)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0


@pytest.fixture(scope="session", autouse=True)
def _collector():
    """pyzmq keeps one thread for buffers that are sent without a copy; it starts at the first."""
    with zmq.Context() as context, context.socket(zmq.PAIR) as a, context.socket(zmq.PAIR) as b:
        a.bind("inproc://warm")
        b.connect("inproc://warm")
        b.send(bytes(1 << 20), copy=False)
        a.recv()


@pytest.fixture(autouse=True)
def _nothing_leaks(_collector):
    """I5: threads and descriptors are gone when a test is over."""
    threads, before = set(threading.enumerate()), descriptors()
    yield
    deadline_s = time.monotonic() + 5
    while time.monotonic() < deadline_s:  # libzmq closes its own in the background
        left = set(threading.enumerate()) - threads
        if not left and descriptors() <= before:
            return
        time.sleep(0.01)
    pytest.fail(f"left behind: {left}, {descriptors() - before} descriptors")


@pytest.fixture
def server(tmp_path):
    with FakeServer(tmp_path / "server") as server:
        yield server


@pytest.fixture
def client(server):
    with Client(Address(server.endpoint), timeouts=QUICK) as client:
        yield client


@pytest.fixture
def server_keys():
    return make_key_pair()


@pytest.fixture
def client_keys():
    return make_key_pair()


@pytest.fixture
def file(tmp_path):
    """A file of 6.5 chunks."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(os.urandom(6 * (1 << 20) + 500_000))
    return path
