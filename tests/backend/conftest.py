"""A job service with real worker processes, and a check that nothing of it is left."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import queue
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil
import pytest
import zmq

from backend.executors.local import LocalExecutor
from backend.server import Server
from backend.service import JobService
from backend.settings import ServerSettings
from protocol.client import Client
from protocol.messages.jobs import BlobId, Generate, JobInfo
from protocol.server import SocketSettings
from protocol.wire import Address

if TYPE_CHECKING:
    from pathlib import Path

    from backend.store.blobs import BlobStore

FAKE = "tests.backend.fake_engine:FakeRunner"
OWNER = "alice"
PATIENCE_S = 120  # the machine may have much else to do


def quick_settings(**changes) -> ServerSettings:
    """Settings of a server that waits for no worker for long."""
    quick = {"worker_cancel_s": 0.3, "worker_terminate_s": 0.3}
    quick |= {"worker_stage_s": 20.0, "worker_start_s": 20.0}
    return ServerSettings(**(quick | changes))


QUICK = quick_settings()


def open_files() -> dict[str, str]:
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:  # the listing's own
            continue
    return found


@pytest.fixture(scope="session", autouse=True)
def pyzmq_collector():
    """Start the thread by which pyzmq frees what was sent without a copy: there is one for the
    whole process, and it is no leak."""
    with zmq.Context() as context, context.socket(zmq.PAIR) as a, context.socket(zmq.PAIR) as b:
        a.bind("inproc://once")
        b.connect("inproc://once")
        a.send(bytes(1 << 20), copy=False)
        b.recv()


@pytest.fixture(autouse=True)
def no_leaks(tmp_path, monkeypatch):
    """Fail a test that leaves a process, a thread, a descriptor or a temporary file."""
    temporary = tmp_path / "system_temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("TMPDIR", str(temporary))
    threads, files = set(threading.enumerate()), open_files()
    children = psutil.Process().children(recursive=True)
    yield
    assert psutil.Process().children(recursive=True) == children
    left = {thread for thread in threading.enumerate() if thread.name != "tqdm_monitor"}
    assert left <= threads
    assert {n: f for n, f in open_files().items() if n not in files} == {}
    assert list(temporary.iterdir()) == []


def put_blob(store: BlobStore, data: bytes) -> BlobId:
    """A file in the store, as a transfer brings it."""
    blob, path = BlobId(hashlib.sha256(data).hexdigest(), len(data)), store.staging / "sent"
    store.reserve(path.name, blob.size)
    try:
        path.write_bytes(data)
        store.adopt(path, blob)
    finally:
        path.unlink(missing_ok=True)
        store.release(path.name)
    return blob


class FakeClock:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Harness:
    """A service, what it told, and ways to wait for it."""

    service: JobService
    executors: list[LocalExecutor]
    events: list[JobInfo] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.service.on_event = lambda owner, info: self.events.append(info)

    def blob(self, data: bytes, owner=OWNER):
        """A file that an owner has sent."""
        blob = put_blob(self.service.blobs, data)
        self.service.journal.holdings.grant(owner, blob)
        return blob

    def job(self, *steps, seed=0, owner=OWNER) -> Generate:
        """A job that does these steps."""
        color, mask = self.blob(json.dumps(steps).encode(), owner), self.blob(b"mask", owner)
        return Generate(color, mask, seed=seed)

    def submit(self, *steps, key=None, owner=OWNER) -> str:
        key = key or f"key {len(self.events)} {len(steps)} {time.monotonic_ns()}"
        return self.service.submit(owner, key, self.job(*steps, owner=owner))[0].job_id

    def info(self, job_id: str) -> JobInfo:
        return self.service.journal.entry(job_id).info

    def until(self, condition, what="it") -> None:
        """Drive the service until the condition holds."""
        end_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end_s, f"{what} did not happen; events: {self.events[-5:]}"
            self.service.step(0.02)

    def ended(self, *job_ids: str) -> list[JobInfo]:
        """Drive the service until all of these jobs have ended, and return them."""
        finals = {"done", "failed", "cancelled", "interrupted"}
        self.until(lambda: all(self.info(j).state in finals for j in job_ids), "the end of jobs")
        self.synced()
        return [self.info(job_id) for job_id in job_ids]

    def synced(self) -> None:
        """Drive the service until all that was written is safe, and what waited for it is done."""
        sync = self.service.journal.sync
        self.until(lambda: sync.safe == sync.mark, "a sync")

    def reaches(self, job_id: str, stage: str) -> None:
        self.until(lambda: self.info(job_id).stage == stage, f"stage {stage}")

    def text_of(self, blob) -> str:
        return self.service.blobs.path_of(blob).read_text()


@pytest.fixture
def make_service(tmp_path, no_leaks):
    """A function that starts a service on `tmp_path / "state"`; all are closed at the end."""
    started = []

    def make(
        n_workers=1,
        *,
        runner=FAKE,
        root=None,
        settings=QUICK,
        **options,
    ) -> Harness:
        executors = [LocalExecutor("cpu", settings, runner=runner) for _ in range(n_workers)]
        service = JobService(root or tmp_path / "state", executors, settings, **options)
        started.append(Harness(service, executors))
        return started[-1]

    yield make
    for harness in started:
        harness.service.close()


@pytest.fixture
def harness(make_service) -> Harness:
    return make_service()


@pytest.fixture
def address(tmp_path, no_leaks):
    """A server with one worker, in a thread of its own."""
    ready = queue.Queue()

    def serve() -> None:
        service = JobService(tmp_path / "state", [LocalExecutor("cpu", QUICK, runner=FAKE)])
        server = Server(service, SocketSettings("tcp://127.0.0.1:0", "test", "1", ["generate"]))
        ready.put(server)
        server.run()

    thread = threading.Thread(target=serve)
    thread.start()
    server = ready.get(timeout=PATIENCE_S)
    yield Address(server.endpoint)
    server.stop()
    thread.join(PATIENCE_S)


@pytest.fixture
def submit(address, tmp_path):
    """A function that hands in a job with these steps."""

    def submit(*steps) -> str:
        files = {"color": json.dumps(steps).encode(), "mask": b"mask"}
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
        with Client(address) as client:
            job = Generate(*(client.upload(tmp_path / name) for name in files))
            return client.submit(job, key=uuid.uuid4().hex).job_id

    return submit


@pytest.fixture
def lines(caplog):
    """The messages that the server has logged."""
    caplog.set_level(logging.INFO, "ex4d.server")
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.fixture
def gate(tmp_path) -> Path:
    """A file that is not there yet: `touch` opens the gate."""
    return tmp_path / "gate"


def count_lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0
