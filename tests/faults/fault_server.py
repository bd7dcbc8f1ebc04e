"""A server as `ex4d serve` makes it, but with short times, jobs that the test controls, and points
at which it dies or fails: python -m tests.faults.fault_server --data_dir DIR ...

It says where it listens in its log, as the real one does.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import signal
import sys
from pathlib import Path

from backend.executors.local import LocalExecutor
from backend.log import log_to
from backend.server import Server
from backend.service import JobService
from backend.settings import ServerSettings
from protocol.keys import load_key_pair
from protocol.messages import EngineInfo, Limits
from protocol.server import AuthorisedClients, SocketSettings

RUNNER = "tests.faults.logged_runner:LoggedRunner"
TIMES = {
    "worker_cancel_s": 0.5,
    "worker_terminate_s": 0.5,
    "worker_stage_s": 20.0,
    "worker_start_s": 20.0,
    "worker_restart_s": 0.2,
}
WINDOW_BYTES = 4 << 20


def passing(point: str, act):
    """A checkpoint that acts when `POINT:N` is passed for the N-th time."""
    name, _, count = point.partition(":")
    left = int(count or 1)

    def checkpoint(passed: str) -> None:
        nonlocal left
        if passed == name:
            left -= 1
            if left == 0:
                act()

    return checkpoint


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fill_disk() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def main() -> None:
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    add("--data_dir", type=Path, required=True)
    add("--ports", default="0,0", help="control,data")
    add("--keys", type=Path)
    add("--runner", default=RUNNER)
    add("--crash", help="POINT:N")
    add("--fail", help="POINT:N")
    add("--quota", type=int, default=200 << 30)
    add("--settings", type=json.loads, default={}, help="of the service, as JSON")
    given = parser.parse_args()
    checkpoint = passing(given.crash, die) if given.crash else passing(given.fail or "", fill_disk)
    control, data = (int(port) for port in given.ports.split(","))
    log_to(sys.stderr)
    settings = ServerSettings(**(TIMES | {"store_gib": given.quota / (1 << 30)} | given.settings))
    executor = LocalExecutor("cpu", settings, runner=given.runner)
    service = JobService(given.data_dir, [executor], settings, checkpoint=checkpoint)
    sockets = SocketSettings(
        bind=f"tcp://127.0.0.1:{control}",
        data_port=data,
        server_name="faults",
        server_version="0",
        capabilities=["reconstruct", "conditions", "generate", "shot"],
        engines=[EngineInfo("preview", "Preview")],
        keys=load_key_pair(given.keys, "server") if given.keys else None,
        authorised=AuthorisedClients(given.keys / "clients") if given.keys else dict,
        limits=Limits(window_bytes=WINDOW_BYTES),
        pong_s=0.05,
    )
    server = Server(service, sockets)
    server.run({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
