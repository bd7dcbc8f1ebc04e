"""Blender is held by a render or an operator while its server, or the wire between, goes away.

With ZMTP heartbeats libzmq ended Blender's process, and the artist's unsaved work with it: events
fill a queue that nobody empties, the connection is reset, a timer fires. Each case is a Blender of
its own, for what is proved is that it lives. EX4D_HOLD_S makes it last longer than 12 s.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.faults.ports import lasting_endpoint

pytestmark = pytest.mark.blender

HOLD_S = float(os.environ.get("EX4D_HOLD_S", "12"))
PATIENCE_S = 60
N_JOBS = 60  # of a few events each: more than a socket's queue takes
SOON_S = 4.0  # until events have filled it


class Scene:
    """A server, what lies between, and a Blender that is about to be held."""

    def __init__(self, start_server, proxy) -> None:
        self.start_server = start_server
        self.server = start_server(bind=lasting_endpoint())
        self.proxy = proxy
        proxy.target = int(self.server.endpoint.rpartition(":")[2])

    def restart(self) -> None:
        self.server = self.start_server(data=self.server.data, bind=self.server.endpoint)


def killed(scene: Scene, end_s: float) -> None:
    """SIGKILL; it comes back when Blender is free again."""
    scene.server.process.kill()
    scene.server.process.wait(PATIENCE_S)
    time.sleep(max(0, end_s - time.monotonic()))
    scene.restart()


def restarted(scene: Scene, end_s: float) -> None:
    """SIGTERM, and a new one at once."""
    assert scene.server.stop() == 0
    scene.restart()


def suspended(scene: Scene, end_s: float) -> None:
    """SIGSTOP until Blender is almost free again."""
    scene.server.process.send_signal(signal.SIGSTOP)
    time.sleep(max(0, end_s - 1 - time.monotonic()))
    scene.server.process.send_signal(signal.SIGCONT)


def cut(scene: Scene, end_s: float) -> None:
    """Every connection is closed at its next byte, again and again."""
    while time.monotonic() < end_s:
        scene.proxy.cut_after(0, up=False)
        time.sleep(0.5)


def silent(scene: Scene, end_s: float) -> None:
    """Nothing passes, and nobody is told."""
    scene.proxy.blackhole = True
    time.sleep(max(0, end_s + 1 - time.monotonic()))
    scene.proxy.blackhole = False


def slow(scene: Scene, end_s: float) -> None:
    """A few bytes a second, then the server is killed over it."""
    scene.proxy.rate = 500
    time.sleep(max(0, end_s - 6 - time.monotonic()))
    scene.server.process.kill()
    scene.server.process.wait(PATIENCE_S)
    scene.proxy.rate = 0
    scene.restart()


@pytest.fixture
def proxy(extension):
    """Between Blender and a server that is yet to be named."""
    from protocol.testing import Proxy  # needs the wheels of the extension

    with Proxy(0) as between:
        yield between


LONG = [pytest.param(fault, marks=pytest.mark.trial) for fault in (restarted, silent)]


@pytest.mark.parametrize("fault", [killed, suspended, cut, slow, *LONG])
def test_h1_a_held_blender_outlives_its_server_and_the_wire(
    start_server, proxy, archive, tmp_path, fault
):
    from protocol.client import Client
    from protocol.keys import load_key_pair
    from protocol.wire import Address
    from tests.faults.small_jobs import reconstruction

    scene = Scene(start_server, proxy)
    first = scene.server
    keys = load_key_pair(first.client_keys, "client")
    with Client(Address(first.endpoint, first.server_key, keys)) as client:
        large = reconstruction(client, 40, (640, 360))  # the others wait for it
        ids = [client.submit(large, key="large").job_id]
        small = reconstruction(client)
        ids += [client.submit(small, key=f"small {n}").job_id for n in range(N_JOBS)]
        given = {
            "endpoint": proxy.endpoint,
            "server_key": first.server_key,
            "client_keys": str(first.client_keys),
        }
        with held_blender(archive, tmp_path, json.dumps(given), json.dumps(ids)) as blender:
            lines = []
            while not lines or lines[-1] != "holding\n":
                lines.append(blender.stdout.readline())
                assert lines[-1], "Blender ended: " + "".join(lines)
            end_s = time.monotonic() + HOLD_S
            time.sleep(SOON_S)  # its length is the case: so much news is on its way
            fault(scene, end_s)
            said = blender.stdout.read()
            code = blender.wait(PATIENCE_S)
        assert code == 0, f"Blender ended by {code}: {said}"
        assert f"heard {len(ids)}" in said
        assert "placed" in said


@contextlib.contextmanager
def held_blender(archive, folder, server: str, ids: str):
    """A Blender in a new profile; what it says is one stream."""
    command = ["-m", "tests.extension.held_blender", str(archive), server, str(HOLD_S), ids]
    with subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, "BLENDER_USER_RESOURCES": str(folder / "profile")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as blender:
        try:
            yield blender
        finally:
            blender.kill()
