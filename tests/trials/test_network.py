"""Client and server with a network between that is late, loses, is cut, or forgets.

The times are the product's own. What takes a whole detection of a dead peer is a trial of its own.
"""

from __future__ import annotations

import os
import threading
import time

import psutil
import pytest

from protocol.background import BackgroundClient
from protocol.client import Client
from protocol.client.news import Connected, Disconnected, Done
from protocol.limits import WINDOW_BYTES_MOST
from protocol.messages.jobs import JobState
from tests.faults.rig import Rig
from tests.faults.small_jobs import reconstruction

from .networks import SERVER_HOST, Networks, server_inside, why_not

REASON = why_not()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON or "networks can be made")

MIB = 1 << 20
FOUND_S = 35.0  # a dead peer
SOON_S = 20.0


class Far:
    """A rig whose server is in another network. `client` and `beside` run functions of a client
    there and here: over the router, and on the server's own computer."""

    def __init__(self, root, networks: Networks) -> None:
        self.networks = networks
        self.rig = Rig(root, encrypted=True)
        self.rig.idle_s = FOUND_S  # the server may still wait for a connection that is dead
        self.rig.endpoint = f"tcp://{SERVER_HOST}:{self.rig.ports[0]}"
        self.rig.start(command=server_inside(networks), warm=False)
        self.connections_before = self.beside(lambda client: self.descriptors())

    def client(self, work, *, wait: bool = True):
        return self._run(self.networks.client, work, wait)

    def beside(self, work):
        return self._run(self.networks.server, work, True)

    def _run(self, thread, work, wait):
        def with_client():
            with Client(self.rig.address()) as client:
                return work(client)

        future = thread(with_client)
        return future.result() if wait else future

    def descriptors(self) -> int:
        return psutil.Process(self.rig.server.process.pid).num_fds()


@pytest.fixture
def far(tmp_path):
    with Networks() as networks:
        far = Far(tmp_path, networks)
        try:
            yield far
            networks.mend()
            networks.server(far.rig.check).result()
        finally:
            far.rig.close()


def upload(far: Far, size: int, at_half):
    """Send a file, and do something when half of it is there; what the client got, and how many
    bytes it said that it had sent."""
    path, done = far.rig.file(os.urandom(size)), []

    def moved(so_far: int, total: int) -> None:
        if so_far >= total // 2 and not done:
            done.append(so_far)
            at_half()

    def work(client):
        blob = client.upload(path, on_progress=moved)
        client.download(blob, far.rig.root / "back")
        assert (far.rig.root / "back").read_bytes() == path.read_bytes()
        return blob

    return far.client(work)


def cut_for(far: Far, seconds: float):
    """A function that cuts the cable and has it mended after some seconds."""

    def cut() -> None:
        far.networks.cut()
        threading.Timer(seconds, far.networks.mend).start()

    return cut


def sent_bytes(far: Far) -> int:
    """What the client's cable has carried to the router."""
    return int(far.networks.inside("client", "cat /sys/class/net/wire/statistics/tx_bytes"))


def a_job(far: Far, client, key: str):
    info = client.submit(reconstruction(client, 10), key=key)
    far.rig.acknowledged.add(info.job_id)
    return info


def test_t15_delay_and_loss_cost_time_only(far):
    pings_s = far.client(lambda client: [client.ping() for _ in range(3)])
    far.networks.delay_and_lose(0.08, 0.02)
    late_s = far.client(lambda client: [client.ping() for _ in range(5)])
    assert min(late_s) >= 0.08 > min(pings_s)
    upload(far, 8 * MIB, lambda: None)
    done = far.client(lambda client: far.rig.ended(client, a_job(far, client, "late").job_id))
    assert done.state is JobState.DONE


@pytest.mark.parametrize("seconds", [3, pytest.param(30, marks=pytest.mark.trial)])
def test_t14_a_cut_cable_costs_a_transfer_time_and_few_bytes(far, seconds):
    began_s, before = time.monotonic(), sent_bytes(far)
    upload(far, 48 * MIB, cut_for(far, seconds))
    assert time.monotonic() - began_s < seconds + SOON_S
    assert sent_bytes(far) - before < 48 * MIB * 1.1 + 2 * WINDOW_BYTES_MOST


@pytest.mark.parametrize("seconds", [3, pytest.param(30, marks=pytest.mark.trial)])
def test_j6_a_job_goes_on_while_the_cable_is_cut(far, seconds):
    def work(client):
        info = a_job(far, client, "cut off")
        events = client.attach(info.job_id)
        next(events)
        cut_for(far, seconds)()
        for _ in events:
            pass
        return client.job(info.job_id)

    future = far.client(work, wait=False)
    assert future.result(timeout=seconds + SOON_S + FOUND_S).state is JobState.DONE


def until_told(client, kind, within_s: float):
    """The next news of a kind."""
    deadline_s = time.monotonic() + within_s
    while True:
        news = client.news.get(timeout=max(0.01, deadline_s - time.monotonic()))
        if isinstance(news, kind):
            return news


def silence(far: Far, how) -> None:
    """Both ends of a connection that has gone silent find that out in time; the server has its
    descriptors back; then the client connects again."""

    def work():
        with BackgroundClient(far.rig.address()) as client:
            until_told(client, Connected, SOON_S)
            client.ping()
            until_told(client, Done, SOON_S)
            how()
            began_s = time.monotonic()
            until_told(client, Disconnected, FOUND_S)
            found_s = time.monotonic() - began_s
            yield_to.set()
            until_told(client, Connected, FOUND_S)
            return found_s

    yield_to = threading.Event()
    future = far.networks.client(work)
    deadline_s = time.monotonic() + SOON_S + FOUND_S
    while not yield_to.wait(0.1):
        assert time.monotonic() < deadline_s, "the client has not found out"
        assert not future.done(), future.result()
    far.networks.mend()
    assert future.result(timeout=FOUND_S) <= FOUND_S
    far.beside(lambda client: far.rig.until_idle(client))


@pytest.mark.trial
def test_t14_both_ends_find_out_within_35_s_that_the_cable_is_cut(far):
    silence(far, far.networks.cut)


@pytest.mark.trial
def test_t14_both_ends_find_out_within_35_s_that_a_nat_has_forgotten_them(far):
    def forget() -> None:
        assert far.networks.forget(far.rig.server.process.pid, far.rig.ports) == 2

    silence(far, forget)


def test_t14_a_transfer_goes_on_over_a_new_connection_when_a_nat_forgets(far):
    pid, ports = far.rig.server.process.pid, far.rig.ports
    began_s = time.monotonic()
    upload(far, 48 * MIB, lambda: far.networks.forget(pid, ports))
    assert time.monotonic() - began_s < FOUND_S


@pytest.mark.trial
def test_t8_the_server_lets_go_of_a_client_that_vanished(far):
    """Its FIN never arrives."""
    before = far.connections_before

    def vanish(client) -> None:
        client.ping()
        assert far.descriptors() >= before
        far.networks.cut()

    far.client(vanish)
    began_s = time.monotonic()

    def gone(client) -> None:
        while client.status().connections > 1 or far.descriptors() > before:
            assert time.monotonic() - began_s < FOUND_S, (client.status(), far.descriptors())
            time.sleep(0.2)

    far.beside(gone)
