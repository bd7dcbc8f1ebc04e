"""A rig for every case; when the case is over, the invariants are asserted."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import psutil
import pytest
import zmq

from protocol.testing import RawPeer

from .rig import Rig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session", autouse=True)
def _collector():
    """pyzmq keeps one thread for buffers that are sent without a copy; it starts at the first."""
    with zmq.Context() as context, context.socket(zmq.PAIR) as a, context.socket(zmq.PAIR) as b:
        a.bind("inproc://warm")
        b.connect("inproc://warm")
        b.send(bytes(1 << 20), copy=False)
        a.recv()


def held() -> tuple[set[threading.Thread], int, list[psutil.Process]]:
    """Threads, descriptors and children of the test's own process."""
    children = psutil.Process().children()  # the server answers for its workers
    return set(threading.enumerate()), len(os.listdir("/proc/self/fd")), children


def check_nothing_is_left(before) -> None:
    """I5, for the clients."""
    deadline_s = time.monotonic() + 5
    while True:
        threads, n_descriptors, children = held()
        left = threads - before[0], n_descriptors - before[1], set(children) - set(before[2])
        if not left[0] and left[1] <= 0 and not left[2]:
            return
        assert time.monotonic() < deadline_s, f"I5: left behind: {left}"
        time.sleep(0.01)  # libzmq closes its own in the background


@pytest.fixture
def make_rig(tmp_path: Path, _collector):
    """A function that makes a rig; after the test the invariants of all of them are asserted."""
    before, rigs = held(), []

    def make(**options) -> Rig:
        root = tmp_path / f"rig {len(rigs)}"
        root.mkdir()
        rigs.append(Rig(root, **options))
        return rigs[-1]

    yield make
    try:
        for rig in rigs:
            rig.check()
    finally:
        for rig in rigs:
            rig.close()
    check_nothing_is_left(before)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory, _collector):
    """A plain server for all cases of a module; `shared` asserts the invariants after each."""
    rig = Rig(tmp_path_factory.mktemp("crowd"))
    rig.start()
    try:
        yield rig
        rig.check()
    finally:
        rig.close()


@pytest.fixture
def shared(crowd) -> Iterator[Rig]:
    before = held()
    yield crowd
    crowd.check_invariants()
    crowd.forget()
    check_nothing_is_left(before)


@pytest.fixture
def idle(shared) -> Iterator[Rig]:
    """The shared server in cases that must not become a job."""
    yield shared
    assert shared.journal("SELECT job_id FROM jobs") == []


@pytest.fixture
def peer(rig) -> Iterator[RawPeer]:
    """A greeted control socket, and nothing else of a client."""
    with RawPeer(rig.endpoint) as peer:
        peer.hello()
        yield peer


@pytest.fixture
def data_peer(rig) -> Iterator[RawPeer]:
    """A greeted data socket."""
    with RawPeer(rig.endpoint) as peer, RawPeer(f"tcp://127.0.0.1:{rig.ports[1]}") as data:
        data.hello(peer.hello().connection)
        yield data


@pytest.fixture
def rig(make_rig) -> Rig:
    """A plain server that has done a job."""
    rig = make_rig()
    rig.start()
    return rig


@pytest.fixture
def client(rig):
    with rig.client() as client:
        yield client
