"""J20: whatever clients do in whatever order, and whenever the server dies, nothing is lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from protocol.errors import UnexpectedMessage, UnknownJob

from .rig import OK, Rig

MIB = 1 << 20
NAMES = st.sampled_from(["one", "two"])
KINDS = {
    "good": [("progress", "render", 1, 2), OK],
    "bad": [("raise_error", "ValueError", "no")],
    "deadly": [("exit", 3)],
    "flood": [("flood", "render", 2000), OK],
    "slow": [],  # waits at the gate
}


class Soak(RuleBasedStateMachine):
    """Two clients of one server."""

    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="soak-"))
        self.rig = Rig(self.root)
        self.clients = {}
        self.n_restarts = 0

    @initialize()
    def begin(self) -> None:
        self.rig.start()
        self.clients = {name: self.rig.client() for name in ("one", "two")}

    @rule(target=jobs, name=NAMES, kind=st.sampled_from(sorted(KINDS)))
    def submit(self, name, kind):
        steps = KINDS[kind] or [("gate", str(self.rig.gate)), OK]
        job = self.rig.job(self.clients[name], *steps)
        info = self.clients[name].submit(job, key=f"key {self.rig.n_jobs}")
        self.rig.acknowledged.add(info.job_id)
        return job, info

    @rule(name=NAMES, submitted=jobs)
    def submit_again(self, name, submitted) -> None:
        job, info = submitted
        again = self.clients[name].submit(job, key=info.key)
        self.rig.acknowledged.add(again.job_id)  # another one, where the first was released

    @rule(name=NAMES, submitted=jobs)
    def cancel(self, name, submitted) -> None:
        try:
            self.clients[name].cancel(submitted[1].job_id)
        except UnknownJob:
            assert submitted[1].job_id not in self.rig.acknowledged

    @rule(name=NAMES, submitted=jobs)
    def release(self, name, submitted) -> None:
        job_id = submitted[1].job_id
        try:
            self.clients[name].release(job_id)
            self.rig.acknowledged.discard(job_id)
        except UnexpectedMessage:
            assert self.clients[name].job(job_id).job_id == job_id
        except UnknownJob:
            assert job_id not in self.rig.acknowledged

    @rule(name=NAMES, size=st.integers(0, 3 * MIB))
    def send_and_get_a_file(self, name, size) -> None:
        blob = self.clients[name].upload(self.rig.file(os.urandom(size)))
        assert self.clients[name].download(blob, self.root / "back").stat().st_size == size

    @rule(name=NAMES)
    def leave_an_upload(self, name) -> None:
        class Left(Exception):
            pass

        def leave(done: int, total: int) -> None:
            raise Left

        try:
            self.clients[name].upload(self.rig.file(os.urandom(2 * MIB)), on_progress=leave)
        except Left:
            self.reconnect(name)

    @rule(name=NAMES)
    def reconnect(self, name) -> None:
        self.clients[name].close()
        self.clients[name] = self.rig.client()

    @rule()
    def open_the_gate(self) -> None:
        self.rig.gate.touch()

    @rule()
    def kill_a_worker(self) -> None:
        for worker in self.rig.server.children():
            with contextlib.suppress(psutil.NoSuchProcess):  # its job was deadly
                worker.kill()

    @precondition(lambda self: self.n_restarts < 2)
    @rule(politely=st.booleans())
    def restart(self, politely) -> None:
        self.n_restarts += 1
        self.rig.server.end(*([15] if politely else []))
        self.rig.start(warm=False)

    def teardown(self) -> None:
        try:
            for client in self.clients.values():
                client.close()
            if self.clients:
                self.rig.check()
        finally:
            self.rig.close()
            shutil.rmtree(self.root)


@pytest.mark.usefixtures("make_rig")  # which asks that this process is left as it was
def test_j20_any_order_of_work_and_faults_keeps_the_invariants():
    run_state_machine_as_test(
        Soak,
        settings=settings(
            max_examples=6,
            stateful_step_count=30,
            derandomize=True,
            phases=[Phase.generate],  # what has failed is told as it happened
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
