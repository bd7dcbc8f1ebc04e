"""One artist's computer in the soak: python -m tests.trials.artist PLAN (JSON), until it is killed.

It sends small jobs, cancels some, fetches most, and keeps a few. Before it asks for a release it
writes so down, and after each acknowledgement: what is acknowledged and not released is a promise.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import msgspec

from protocol.client import Client
from protocol.errors import ProtocolError, UnknownJob
from protocol.keys import KeyPair
from protocol.messages.jobs import FINAL_STATES, JobState
from protocol.wire import Address
from tests.faults.rig import QUICK
from tests.faults.small_jobs import reconstruction

__all__ = ["Artist", "promised"]

KEPT = 12  # jobs that one artist does not release
SIZES = [(64, 36), (64, 48), (48, 64)]


class Artist(msgspec.Struct, frozen=True):
    """Who it is and how it behaves."""

    endpoint: str
    server_key: str
    keys: tuple[str, str]
    notes: str  # path of what it has written down
    seed: int
    pause_s: float  # between two jobs, in the middle


def promised(notes: Path) -> list[str]:
    """The jobs that were acknowledged and not released, oldest first."""
    jobs: dict[str, None] = {}
    lines = notes.read_text().splitlines() if notes.exists() else []
    for what, job_id in (line.split() for line in lines):
        if what == "acknowledged":
            jobs[job_id] = None
        else:
            jobs.pop(job_id, None)
    return list(jobs)


def note(notes: Path, what: str, job_id: str) -> None:
    """Add a line that survives this process."""
    with notes.open("a") as file:
        file.write(f"{what} {job_id}\n")
        file.flush()
        os.fsync(file.fileno())


def work(client: Client, notes: Path, rng: random.Random, target: Path) -> None:
    """Send one job; cancel it, leave it, or wait for it and fetch it."""
    size = rng.choice(SIZES)
    job = reconstruction(client, rng.randrange(2, 11), size, fov_deg=rng.uniform(30, 90))
    key = rng.randbytes(16).hex()
    info = client.submit(job, key=key)
    note(notes, "acknowledged", info.job_id)
    share = rng.random()
    if share < 0.1:
        assert client.submit(job, key=key).job_id == info.job_id
    if share < 0.2:
        client.cancel(info.job_id)
    elif share < 0.85:
        for _ in client.attach(info.job_id, timeout_s=30):
            pass
        done = client.job(info.job_id)
        if done.state is JobState.DONE:
            for blob in done.results.values():
                client.download(blob, target)  # verified by its hash
    tidy(client, notes)


def tidy(client: Client, notes: Path) -> None:
    """Release what is over, but for the newest; let the user's decision be to go on."""
    for job_id in promised(notes)[:-KEPT]:
        try:
            info = client.job(job_id)
            if info.state is JobState.INTERRUPTED:
                client.resume(job_id)
            if info.state in FINAL_STATES:
                note(notes, "releasing", job_id)
                client.release(job_id)
        except UnknownJob:
            note(notes, "lost", job_id)
            raise


def main() -> None:
    plan = msgspec.json.decode(sys.argv[1], type=Artist)
    rng, notes = random.Random(plan.seed), Path(plan.notes)  # noqa: S311
    address = Address(plan.endpoint, plan.server_key, KeyPair(*plan.keys))
    while True:
        try:
            with Client(address, timeouts=QUICK) as client:
                while True:
                    work(client, notes, rng, notes.with_suffix(".back"))
                    time.sleep(rng.uniform(0.5, 1.5) * plan.pause_s)
        except (ProtocolError, OSError) as error:  # the next attempt is another connection
            print(f"{notes.name}: {type(error).__name__}: {error}", flush=True)
            time.sleep(rng.uniform(0.2, 1))


if __name__ == "__main__":
    main()
