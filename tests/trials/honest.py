"""An honest client beside the attackers: python -m tests.trials.honest PLAN (JSON). It does jobs
and pings until a line comes in, and says as JSON how it went."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import msgspec

from protocol.client import Client
from protocol.messages.jobs import JobState
from tests.faults.rig import QUICK
from tests.faults.small_jobs import reconstruction

from .attacker import Plan

__all__ = ["Served"]

PAUSE_S = 0.02  # between two pings
JOB_PAUSE_S = 0.3


class Served(msgspec.Struct):
    """What an honest client got."""

    jobs_done: int = 0
    jobs_other: list[str] = []
    pings_ms: list[float] = []
    errors: list[str] = []

    def ping_ms(self, share: float) -> float:
        """The time within which this share of the pings was answered."""
        times = sorted(self.pings_ms)
        return times[int(share * (len(times) - 1))] if times else float("inf")


def do_jobs(plan: Plan, served: Served, over: threading.Event, ready: threading.Event) -> None:
    """Upload, reconstruct, fetch and release, again and again, each with files of its own."""
    with tempfile.TemporaryDirectory() as folder, Client(plan.address(0), timeouts=QUICK) as client:
        own, number = Path(folder) / "own", 0
        while not over.is_set():
            number += 1
            own.write_bytes(os.urandom(100_000))
            client.download(client.upload(own), Path(folder) / "back")
            assert (Path(folder) / "back").read_bytes() == own.read_bytes()
            info = client.submit(reconstruction(client), key=os.urandom(8).hex())
            for _ in client.attach(info.job_id, timeout_s=120):
                pass
            done = client.job(info.job_id)
            if done.state is JobState.DONE:
                served.jobs_done += 1
                for name, blob in done.results.items():
                    client.download(blob, Path(folder) / name)  # verified by its hash
            else:
                served.jobs_other.append(f"{done.state}: {done.error_text}")
            client.release(info.job_id)
            ready.set()
            over.wait(JOB_PAUSE_S)


def ping(plan: Plan, served: Served, over: threading.Event, ready: threading.Event) -> None:
    with Client(plan.address(0), timeouts=QUICK) as client:
        ready.wait(60)
        while not over.wait(PAUSE_S):
            began_s = time.monotonic()
            client.ping()
            served.pings_ms.append(1000 * (time.monotonic() - began_s))


def main() -> None:
    plan = msgspec.json.decode(sys.argv[1], type=Plan)
    served, over, ready = Served(), threading.Event(), threading.Event()

    def guarded(work) -> None:
        try:
            work(plan, served, over, ready)
        except Exception as error:  # told at the end
            served.errors.append(f"{work.__name__}: {error!r}")
        ready.set()

    threads = [threading.Thread(target=guarded, args=(work,)) for work in (do_jobs, ping)]
    for thread in threads:
        thread.start()
    ready.wait()
    print("ready", flush=True)
    sys.stdin.readline()
    over.set()
    for thread in threads:
        thread.join()
    print(json.dumps(msgspec.to_builtins(served)), flush=True)


if __name__ == "__main__":
    main()
