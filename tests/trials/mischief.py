"""What happens to the soak's server and its clients: kills, a full disk, keys that come and go."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil

from protocol.errors import ProtocolError
from protocol.keys import authorise
from tests.faults.server_process import ROOT

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from .studio import Studio

__all__ = ["MISCHIEF", "Stopped", "filled_disk"]

FULL_S = 5.0
REVOKED_S = 8.0
CUT_S = 3.0  # a revoked key's open connection ends within


class Stopped(Exception):
    """The soak is over."""


def kill_server(studio: Studio) -> None:
    studio.end_server(signal.SIGKILL)
    studio.start_server()


def stop_server(studio: Studio) -> None:
    studio.end_server(signal.SIGTERM)
    studio.start_server()


def kill_worker(studio: Studio) -> None:
    for worker in studio.rig.server.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.kill()


def kill_client(studio: Studio) -> None:
    studio.restart_artist(studio.rng.randrange(len(studio.artists)))


def fill_disk(studio: Studio) -> None:
    """Another program takes the last byte for some seconds."""
    if studio.disk is not None:
        with filled_disk(studio.disk / "other program"):
            studio.pause(FULL_S)


@contextlib.contextmanager
def filled_disk(path: Path):
    """The disk of this path has no byte left."""
    try:
        with path.open("wb", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))
        yield
    finally:
        path.unlink(missing_ok=True)


def revoke_key(studio: Studio) -> None:
    """Ben's key is revoked and authorised again: his open connection ends, his jobs stay."""
    clients = studio.rig.root / "keys" / "clients"
    command = ["-m", "ex4d", "keys", "revoke", "--keys", str(clients.parent), "--name", "ben"]
    with contextlib.suppress(ProtocolError), studio.rig.client("ben") as client:
        client.ping()
        subprocess.run(
            [sys.executable, *command], cwd=ROOT, capture_output=True, check=False, timeout=60
        )
        (clients / "ben.key").unlink(missing_ok=True)
        studio.pause(CUT_S)
        connection = client.conversation.current
        with contextlib.suppress(ProtocolError):
            client.ping()
            if client.conversation.current is connection:
                studio.broken.append("a revoked key was still served over its open connection")
    (clients / "ben.key").unlink(missing_ok=True)
    studio.pause(REVOKED_S - CUT_S)
    authorise(clients, "ben", studio.rig.keys["ben"].public)


MISCHIEF: dict[Callable[[Studio], None], int] = {  # and how often
    kill_server: 2,
    stop_server: 1,
    kill_worker: 5,
    kill_client: 5,
    fill_disk: 3,
    revoke_key: 3,
}
SERVER_ENDS = {kill_server, stop_server}


def choose(rng: random.Random, *, may_end_server: bool) -> Callable[[Studio], None]:
    """What happens next. The server's lifetimes must be long enough to see it grow."""
    kinds = [kind for kind in MISCHIEF if may_end_server or kind not in SERVER_ENDS]
    return rng.choices(kinds, [MISCHIEF[kind] for kind in kinds])[0]


def wait_until(moment_s: float, over: Callable[[], bool]) -> None:
    """Sleep in pieces. Raises Stopped when it is over."""
    while time.monotonic() < moment_s:
        if over():
            raise Stopped
        time.sleep(0.1)
