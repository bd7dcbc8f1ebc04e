"""Attack `ex4d serve`, as it is, at full speed, while an honest client works with it.

python -m tests.trials.fuzz [--messages N] [--connections N] [--seconds S] [--seed N]
[--plain | --curve]; without the last, one after the other. The exit code is 1 when a promise is
broken, and what it was stands in the last lines.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tests.faults.rig import REAL_SERVER, Rig
from tests.faults.server_process import ROOT, Footprint

from .attacker import Attacked, Plan
from .attacks import ATTACKS
from .honest import Served

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Report", "assault"]

MIB = 1 << 20
N_ATTACKERS = 3
AT_ONCE = 40  # attacks of each of them
IDLE_S = 40.0  # by then the server has done away with who never greeted, and libzmq too
LOG_BYTES = 1_000_000
PING_MS = 50.0  # 99 of 100
MEMORY_RATIO = 1.2


class Report(msgspec.Struct):
    """What was sent, what an honest client got meanwhile, and what the server holds afterwards."""

    attacked: list[Attacked]
    served: Served
    before: Footprint
    after: Footprint | None  # none: it is dead
    peak_bytes: int
    log_bytes: int
    last_lines: list[str]
    code: int | None = None  # by which it ended

    def lines(self) -> list[str]:
        """The figures."""
        seconds = max(one.seconds for one in self.attacked)
        n_messages = sum(one.messages for one in self.attacked)
        n_connections = sum(one.connections for one in self.attacked)
        kinds = ", ".join(
            f"{name} {sum(one.by_kind[name] for one in self.attacked)}"
            for name in self.attacked[0].by_kind
        )
        served = self.served
        return [
            f"{n_messages} messages over {n_connections} connections in {seconds:.0f} s, "
            f"{n_messages / max(seconds, 1e-3):.0f} a second ({kinds})",
            f"honest client: {served.jobs_done} jobs done, {len(served.jobs_other)} not; "
            f"{len(served.pings_ms)} pings, p50 {served.ping_ms(0.5):.1f} ms, p99 "
            f"{served.ping_ms(0.99):.1f} ms, longest {served.ping_ms(1):.0f} ms",
            f"server: {_shown(self.before)} before, {_shown(self.after)} after; peak "
            f"{self.peak_bytes / MIB:.0f} MiB; log {self.log_bytes} bytes",
        ]

    def faults(self, *, ping_ms: float = PING_MS) -> list[str]:
        """The promises that were broken, in words."""
        found = [*self.served.errors, *self.served.jobs_other]
        if self.after is None:
            return [f"the server has ended by {self.code}: {self.last_lines}", *found]
        if self.served.jobs_done == 0:
            found.append("no honest job was done")
        if self.after.memory_bytes > MEMORY_RATIO * self.before.memory_bytes:
            found.append("memory did not come back")
        if self.after.n_descriptors > self.before.n_descriptors:
            found.append("descriptors did not come back")
        if self.log_bytes > LOG_BYTES:
            found.append(f"the log has {self.log_bytes} bytes")
        if self.served.ping_ms(0.99) > ping_ms:
            found.append(f"ping p99 {self.served.ping_ms(0.99):.0f} ms, {ping_ms:.0f} promised")
        found += [line for line in self.last_lines if "Traceback" in line]
        return found


class Helper:
    """A process of the trial: it says `ready`, starts or ends at a line, and says how it went."""

    def __init__(self, module: str, plan: Plan) -> None:
        command = [sys.executable, "-m", module, msgspec.json.encode(plan).decode()]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)

    def ready(self) -> None:
        line = self.process.stdout.readline()
        assert line == "ready\n", f"{self.process.args} has ended"

    def go(self) -> None:
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def result(self, kind):
        """What it says at its end."""
        said, _ = self.process.communicate()
        return msgspec.json.decode(said, type=kind)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def assault(
    rig: Rig,
    *,
    messages: int,
    connections: int,
    seconds: float,
    seed: int,
    kinds: Sequence[str] = (),
) -> Report:
    """Attack the rig's running server, and compare what it holds with the rig's first look."""

    def plan(name: str, number: int) -> Plan:
        pair = rig.keys[name] if rig.keys else None
        return Plan(
            ports=rig.ports,
            messages=messages // N_ATTACKERS,
            connections=connections // N_ATTACKERS,
            at_once=AT_ONCE,
            seconds=seconds,
            seed=seed + number,
            server_key=rig.keys["server"].public if rig.keys else None,
            keys=(pair.public, pair.secret) if pair else None,
            kinds=list(kinds),
        )

    honest = Helper("tests.trials.honest", plan("anna", 0))
    attackers = [Helper("tests.trials.attacker", plan("ben", n)) for n in range(N_ATTACKERS)]
    try:
        for helper in (honest, *attackers):
            helper.ready()
        log_bytes = sum(map(len, rig.server.log))
        for attacker in attackers:
            attacker.go()
        attacked = [attacker.result(Attacked) for attacker in attackers]
        honest.go()
        served = honest.result(Served)
    finally:
        for helper in (honest, *attackers):
            helper.close()
    before = rig.server.before
    after, peak = settled(rig, before)
    log = list(rig.server.log)
    return Report(
        attacked=attacked,
        served=served,
        before=before,
        after=after,
        peak_bytes=peak,
        log_bytes=sum(map(len, log)) - log_bytes,
        last_lines=log[-20:],
        code=rig.server.process.poll(),
    )


def settled(rig: Rig, before: Footprint) -> tuple[Footprint | None, int]:
    """What the server holds once it holds no more than before, or after IDLE_S; and its peak."""
    process, deadline_s = Path(f"/proc/{rig.server.process.pid}/status"), time.monotonic() + IDLE_S
    while rig.server.is_running:
        now = Footprint.of(rig.server.process.pid)
        flat = (
            now.memory_bytes <= MEMORY_RATIO * before.memory_bytes
            and now.n_descriptors <= before.n_descriptors
        )
        if flat or time.monotonic() > deadline_s:
            return now, 1024 * int(process.read_text().partition("VmHWM:")[2].split()[0])
        time.sleep(0.2)
    return None, 0


def _shown(held: Footprint | None) -> str:
    if held is None:
        return "dead"
    return f"{held.memory_bytes / MIB:.0f} MiB, {held.n_descriptors} descriptors"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--messages", type=int, default=1_500_000, help="in all, of each kind of server")
    add("--connections", type=int, default=2000, help="in all, of each kind of server")
    add("--seconds", type=float, default=300, help="at most, for each kind of server")
    add("--seed", type=int, default=0)
    names = [kind.__name__ for kind in ATTACKS]
    add("--kind", action="append", choices=names, default=[], help="only this attack; may repeat")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--plain", action="store_true", help="only a server without keys")
    kinds.add_argument("--curve", action="store_true", help="only a server with keys")
    given = parser.parse_args(arguments)
    broken = []
    for encrypted in (False, True):
        if (given.plain and encrypted) or (given.curve and not encrypted):
            continue
        with tempfile.TemporaryDirectory() as folder:
            rig = Rig(Path(folder), encrypted=encrypted)
            try:
                rig.start(command=REAL_SERVER)
                report = assault(
                    rig,
                    messages=given.messages,
                    connections=given.connections,
                    seconds=given.seconds,
                    seed=given.seed,
                    kinds=given.kind,
                )
            finally:
                rig.close()
        print("CURVE" if encrypted else "plain", *report.lines(), sep="\n  ", flush=True)
        broken += [f"{'CURVE' if encrypted else 'plain'}: {fault}" for fault in report.faults()]
    print(*(f"BROKEN {fault}" for fault in broken), sep="\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
