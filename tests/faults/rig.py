"""One folder with a real server process on it, clients of it, and the invariants of every case.

I1  every acknowledged job is in the journal in a state of the protocol
I2  no job was finished twice, unless its server died before that was in the journal
I3  what has a blob's name is that blob; unfinished files lie in the staging folder only
I4  5 s later no transfer is open and no worker busy, and a new client is served
I5  the server has no more processes, threads, descriptors and temporary files than before
I6  its memory is back within 20 % or 16 MiB
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import time
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from backend.journal.file import JOURNAL_NAME
from backend.worker.failures import FAILURES
from protocol.background import BackgroundClient
from protocol.client import Client, Timeouts
from protocol.keys import authorise, make_key_pair, save_key_pair
from protocol.messages.jobs import FINAL_STATES, Generate, JobInfo, JobState
from protocol.transfer import blob_of
from protocol.wire import Address

from .ports import free_ports
from .server_process import PATIENCE_S, Footprint, ServerProcess

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20
# The allocator keeps 11 MiB of a first large transfer. A fifth of a server was 25 MiB when it
# weighed 124; now it weighs 49.
KEPT_BYTES = 16 * MIB
IDLE_S = 5.0
CLOSED_S = 30.0  # libzmq closes what a peer has left in the background, late on a busy machine
QUICK = Timeouts(connect_s=3, reply_s=20, resend_s=1, stall_s=1, patience_s=20, finish_s=10)
OK = ("result", "out.txt", "fine")
FAULT_SERVER = ("-m", "tests.faults.fault_server")
REAL_SERVER = ("-m", "ex4d", "serve")
REAL_RUNNER = "backend.worker.job_runner:JobRunner"


class Rig:
    """Starts servers on `root / "data"`; `acknowledged` are the jobs that one has accepted."""

    def __init__(self, root: Path, *, encrypted: bool = False) -> None:
        self.root = root
        self.data = root / "data"
        self.gate = root / "gate"  # touch it to open it
        self.device_gone = root / "device gone"
        self.ports = free_ports()
        self.endpoint = f"tcp://127.0.0.1:{self.ports[0]}"
        self.keys = None
        self.server: ServerProcess | None = None
        self.acknowledged: set[str] = set()
        self.began_s = time.time()
        self.idle_s = IDLE_S
        self._temporary = root / "temporary"
        self._run_log = root / "runs"
        self.n_jobs = 0
        self._temporary.mkdir()
        if encrypted:
            self.keys = {name: make_key_pair() for name in ("server", "anna", "ben", "stranger")}
            save_key_pair(self.keys["server"], root / "keys", "server")
            for name in ("anna", "ben"):
                authorise(root / "keys" / "clients", name, self.keys[name].public)

    def start(
        self, *flags: str, command=FAULT_SERVER, warm: bool = True, must_listen: bool = True
    ) -> ServerProcess:
        """Start a server, on the same ports each time. `warm`: let it do a job and remember what
        it holds then."""
        given = ["--data_dir", str(self.data), *flags]
        if command is FAULT_SERVER:
            given += ["--ports", "{},{}".format(*self.ports)]
        else:
            given += ["--bind", self.endpoint]
        if self.keys is not None:
            given += ["--keys", str(self.root / "keys")]
        environment = {
            "TMPDIR": str(self._temporary),
            "RUN_LOG": str(self._run_log),
            "DEVICE_GONE": str(self.device_gone),
        }
        self.server = ServerProcess([*command, *given], environment)
        assert self.server.listens() or not must_listen, self.server.log
        if warm:
            self._warm_up(has_fake_jobs=command is FAULT_SERVER and REAL_RUNNER not in flags)
        return self.server

    def _warm_up(self, *, has_fake_jobs: bool) -> None:
        with self.client() as client:
            # pyzmq starts a thread, once, for buffers that it sends without a copy
            blob = client.upload(self.file(os.urandom(MIB)))
            client.download(blob, self.root / "warm")
            if has_fake_jobs:
                info = self.submit(client, OK, key="warm up")
                self.ended(client, info.job_id)
                client.release(info.job_id)
                self.acknowledged.discard(info.job_id)
            self.until_idle(client)
            self.server.before = Footprint.of(self.server.process.pid)

    def address(self, name: str = "anna", **changes) -> Address:
        fields = {"endpoint": self.endpoint}
        if self.keys is not None:
            fields |= {"server_key": self.keys["server"].public, "keys": self.keys[name]}
        return Address(**(fields | changes))

    def client(self, name: str = "anna", **changes) -> Client:
        return Client(self.address(name, **changes), timeouts=QUICK)

    def background(self, name: str = "anna", **changes) -> BackgroundClient:
        return BackgroundClient(self.address(name, **changes), timeouts=QUICK)

    def file(self, content: bytes) -> Path:
        self.n_jobs += 1
        path = self.root / f"file {self.n_jobs}"
        path.write_bytes(content)
        return path

    def steps(self, *steps) -> bytes:
        """What a fake job's first file says: its steps, and a number that makes it its own."""
        self.n_jobs += 1
        return json.dumps([("comment", self.n_jobs), *steps]).encode()

    def job(self, client: Client, *steps, seed: int = 0) -> Generate:
        """A job that does these steps, with its files on the server."""
        steps_file, mask = self.file(self.steps(*steps)), self.file(b"mask")
        return Generate(client.upload(steps_file), client.upload(mask), seed=seed)

    def submit(self, client: Client, *steps, key: str | None = None) -> JobInfo:
        job = self.job(client, *steps)
        info = client.submit(job, key=key or f"key {self.n_jobs}")
        self.acknowledged.add(info.job_id)
        return info

    def ended(self, client: Client, job_id: str) -> JobInfo:
        """Wait for a job's end; an interrupted one waits for the user."""
        for event in client.attach(job_id, timeout_s=PATIENCE_S):
            if event.state is JobState.INTERRUPTED and client.job(job_id).state is event.state:
                break
        return client.job(job_id)

    def reaches(self, client: Client, job_id: str, stage: str) -> None:
        """Wait until a job is at a stage."""
        for event in client.attach(job_id, timeout_s=PATIENCE_S):
            if event.stage == stage:
                return
        raise AssertionError(f"the job ended before {stage}: {client.job(job_id)}")

    def runs(self) -> Counter[tuple[str, str]]:
        """How often each job `began` and `finished` in a worker."""
        return Counter(tuple(line.split()[:2]) for line in self.run_lines())

    def run_lines(self) -> list[str]:
        """What the workers have written down: `began` or `finished`, the job, the process."""
        return self._run_log.read_text().splitlines() if self._run_log.exists() else []

    def journal(self, query: str) -> list[tuple]:
        """What a fresh connection reads from the journal."""
        uri = f"file:{self.data / JOURNAL_NAME}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            return connection.execute(query).fetchall()

    def until_idle(self, client: Client) -> None:
        """I4: nothing under way within 5 s, told by a client that is the only one."""
        deadline_s = time.monotonic() + self.idle_s
        while True:
            status = client.status()
            busy = status.transfers, status.running, status.connections - 1
            if not any(busy) and all(worker.healthy for worker in status.workers):
                return
            assert time.monotonic() < deadline_s, f"I4: not idle after {self.idle_s} s: {status}"

    def check(self) -> None:
        """Assert the invariants, and end the server."""
        self.check_invariants()
        assert self.server.end(signal.SIGTERM) == 0
        self.server = None

    def check_invariants(self) -> None:
        """Assert the invariants. A server that is gone is started again first."""
        self.gate.touch()
        self.device_gone.unlink(missing_ok=True)
        if self.server is None or not self.server.is_running:
            self.start(warm=False)
        server = self.server
        with self.client() as client:
            self._let_jobs_end(client)
            self.until_idle(client)
            self._check_jobs()
            self._check_files()
            self._check_footprint(server)
        assert not any("Traceback" in line for line in server.log), server.log

    def forget(self) -> None:
        """Make the server ready for the next case: no jobs, and the gate closed."""
        with self.client() as client:
            for info in client.jobs():
                client.release(info.job_id)
        self.acknowledged.clear()
        self.gate.unlink(missing_ok=True)

    def _let_jobs_end(self, client: Client) -> None:
        """Jobs that waited for the gate may go on now."""
        for info in client.jobs():
            if info.state in {JobState.QUEUED, JobState.RUNNING}:
                self.ended(client, info.job_id)

    def _check_jobs(self) -> None:
        jobs = self.journal("SELECT job_id, state, error_code, attempts FROM jobs")
        lost = self.acknowledged - {job_id for job_id, *_ in jobs}
        assert not lost, f"I1: {lost} are not in the journal"
        runs = self.runs()
        events = self.journal("SELECT job_id, state FROM events")
        ends = Counter(job_id for job_id, state in events if state in FINAL_STATES)
        for job_id, state, code, attempts in jobs:
            assert state in set(JobState), f"I1: {job_id} is {state}"
            assert code in {"", *FAILURES}, f"{code} is not in SPEC.md"
            assert ends[job_id] == (state in FINAL_STATES), f"I2: {job_id} ended {ends[job_id]} x"
            assert runs["finished", job_id] <= max(attempts, 1), f"I2: {job_id} ran {runs}"

    def _check_files(self) -> None:
        for path in self.data.rglob("*"):
            if not path.is_file():
                continue
            top, *rest = path.relative_to(self.data).parts
            if top == "blobs":
                assert blob_of(path).sha256 == "".join(rest), f"I3: {path} is not what it says"
            elif top == "staging":
                assert path.stat().st_mtime >= self.began_s - 1, f"I3: {path} is old"
            else:
                assert top.startswith(("journal", "lock", "damaged")), (
                    f"I3: {path} does not belong here"
                )
        assert list(self._temporary.iterdir()) == [], "I5"

    def _check_footprint(self, server: ServerProcess) -> None:
        before = server.before
        if before is None:  # it was started for this check
            return
        deadline_s = time.monotonic() + CLOSED_S
        while True:
            now = Footprint.of(server.process.pid)
            counts = ("n_descriptors", "n_threads", "n_children")  # each for itself
            has_closed = all(getattr(now, name) <= getattr(before, name) for name in counts)
            most_bytes = before.memory_bytes + max(before.memory_bytes // 5, KEPT_BYTES)
            has_freed = now.memory_bytes <= most_bytes
            if has_closed and has_freed:
                return
            missed = "I6" if has_closed else "I5"
            assert time.monotonic() < deadline_s, f"{missed}: {now}, {before} before"
            time.sleep(0.1)

    def close(self) -> None:
        """End a server that a failed test has left."""
        if self.server is not None and self.server.is_running:
            self.server.end()


def packed(**fields) -> bytes:
    """A message as whoever pleases may write it."""
    return msgspec.msgpack.encode(fields)


def until(ask, fits):
    """Ask again and again until the answer fits, and return it."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not fits(answer := ask()):
        assert time.monotonic() < deadline_s, answer
    return answer
