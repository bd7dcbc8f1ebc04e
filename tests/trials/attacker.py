"""One process of attackers: python -m tests.trials.attacker PLAN (JSON). It says `ready`, attacks
when its input ends a line, and at its end says as JSON how much it has sent."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
import time
from typing import TYPE_CHECKING

import msgspec
import zmq

from protocol.client import Client
from protocol.keys import KeyPair
from protocol.messages.jobs import BlobId, JobState
from protocol.wire import Address
from tests.faults.rig import QUICK
from tests.faults.small_jobs import reconstruction

from .attacks import ATTACKS, Field
from .mutations import Known, messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Attacked", "Plan"]

POOL = 4000  # messages of each socket
NICENESS = 10  # attackers have machines of their own: they must not take the server's cores here


class Plan(msgspec.Struct, frozen=True):
    """What one process of attackers does."""

    ports: tuple[int, int]
    messages: int  # at least
    connections: int  # at least
    at_once: int
    seconds: float  # at most
    seed: int
    server_key: str | None = None
    keys: tuple[str, str] | None = None  # of a client that is let in
    kinds: list[str] = []  # none: all

    def address(self, which: int) -> Address:
        keys = KeyPair(*self.keys) if self.keys else None
        return Address(f"tcp://127.0.0.1:{self.ports[which]}", self.server_key, keys)


class Attacked(msgspec.Struct, frozen=True):
    """What came of it."""

    messages: int
    connections: int
    seconds: float
    by_kind: dict[str, int]


def acquainted(plan: Plan) -> Known:
    """Do a job properly, to have something to speak of."""
    with Client(plan.address(0), timeouts=QUICK) as client:
        job = reconstruction(client)
        info = client.submit(job, key=f"attacker {plan.seed}")
        *_, last = client.attach(info.job_id, timeout_s=60)
        assert last.state is JobState.DONE, last
        blob: BlobId = client.job(info.job_id).results["reconstruction.npz"]
        return Known(info.job_id, job, blob)


def attack(plan: Plan, field: Field) -> Attacked:
    """Keep so many attacks going until both numbers are reached, or the time is over."""
    kinds = [kind for kind in ATTACKS if not plan.kinds or kind.__name__ in plan.kinds]
    weights = [ATTACKS[kind] for kind in kinds]
    sent, by_kind = 0, dict.fromkeys((kind.__name__ for kind in kinds), 0)
    running: list[Iterator[int]] = []
    n_connections, began_s = 0, time.monotonic()

    def begin(kind: Callable[[Field], Iterator[int]]) -> Iterator[int]:
        by_kind[kind.__name__] += 1
        return kind(field)

    while time.monotonic() < began_s + plan.seconds:
        enough = sent >= plan.messages and n_connections >= plan.connections
        while len(running) < plan.at_once and not enough:
            running += map(begin, field.rng.choices(kinds, weights, k=1))
            n_connections += 1
        if not running:
            break
        for peer in list(running):
            try:
                sent += next(peer)
            except (StopIteration, zmq.Again):
                running.remove(peer)
    for peer in running:
        with contextlib.suppress(RuntimeError):
            peer.close()  # type: ignore[attr-defined]
    return Attacked(sent, n_connections, time.monotonic() - began_s, by_kind)


def main() -> None:
    os.nice(NICENESS)
    plan = msgspec.json.decode(sys.argv[1], type=Plan)
    addresses = {"control": plan.address(0), "data": plan.address(1)}
    pools = messages(acquainted(plan), POOL, plan.seed)
    per_peer = max(1, plan.messages // plan.connections)
    rng = random.Random(plan.seed)  # noqa: S311
    field = Field(addresses, pools, per_peer, rng)
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(msgspec.to_builtins(attack(plan, field))), flush=True)
    field.context.destroy(linger=0)


if __name__ == "__main__":
    main()
