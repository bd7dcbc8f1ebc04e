"""Jobs over the wire, when they are handed in twice, lost on the way, cancelled or resumed."""

from __future__ import annotations

import hashlib

import pytest

from protocol.errors import IdempotencyConflict, UnknownBlob, UnknownJob
from protocol.messages.jobs import BlobId, JobState
from protocol.testing import Proxy

from .rig import OK, until

CUDA_LOST = "CUDA error: unspecified launch failure"


@pytest.fixture
def rig(shared):
    """The same server for every case."""
    return shared


def blob_of_bytes(content: bytes) -> BlobId:
    return BlobId(hashlib.sha256(content).hexdigest(), len(content))


def test_j1_the_same_key_and_job_is_one_run_whenever_it_comes_again(rig, client):
    job = rig.job(client, ("gate", str(rig.gate)), OK)
    first = client.submit(job, key="a")
    rig.acknowledged.add(first.job_id)
    again = [client.submit(job, key="a")]
    rig.reaches(client, first.job_id, "gate")
    again.append(client.submit(job, key="a"))
    rig.gate.touch()
    done = rig.ended(client, first.job_id)
    again.append(client.submit(job, key="a"))
    assert {info.job_id for info in again} == {first.job_id}
    assert again[-1] == done
    assert rig.runs()["began", first.job_id] == 1


def test_j2_the_same_key_with_another_job_is_refused(rig, client):
    info = rig.submit(client, OK, key="a")
    with pytest.raises(IdempotencyConflict):
        client.submit(rig.job(client, OK, seed=1), key="a")
    assert [job.job_id for job in client.jobs()] == [info.job_id]


def test_j3_a_submit_whose_reply_is_lost_is_sent_again_and_runs_once(rig, client):
    with Proxy(rig.ports[0]) as proxy, rig.client(endpoint=proxy.endpoint) as lossy:
        job = rig.job(client, OK)
        proxy.cut_after(0, up=False)
        info = lossy.submit(job, key="a")
        assert proxy.cuts == 1
        assert rig.ended(client, info.job_id).state is JobState.DONE
    rig.acknowledged.add(info.job_id)
    assert [job.job_id for job in client.jobs()] == [info.job_id]
    assert rig.runs()["began", info.job_id] == 1


def test_j6_a_client_that_was_away_is_told_what_it_missed(rig):
    with rig.client() as client:
        info = rig.submit(client, ("gate", str(rig.gate)), ("progress", "render", 1, 2), OK)
        rig.reaches(client, info.job_id, "gate")
        seen = client.job(info.job_id).sequence
    rig.gate.touch()
    with rig.client() as other:
        rig.ended(other, info.job_id)
    with rig.client() as client:
        events = list(client.attach(info.job_id, since=seen))
        last = client.job(info.job_id)
        assert [event.sequence for event in events] == sorted({e.sequence for e in events})
        assert events[0].sequence > seen
        assert (events[-1].state, events[-1].sequence) == (JobState.DONE, last.sequence)
        assert (last.stage, last.done, last.total) == ("render", 1, 2)
        path = client.download(last.results["out.txt"], rig.root / "out.txt")
        assert path.read_text() == "fine"


def test_j7_a_job_that_waits_is_cancelled_at_once(rig, client):
    running = rig.submit(client, ("gate", str(rig.gate)), OK)
    queued = rig.submit(client, OK)
    rig.reaches(client, running.job_id, "gate")
    for _ in range(2):
        assert client.cancel(queued.job_id).state is JobState.CANCELLED
    rig.gate.touch()
    assert rig.ended(client, running.job_id).state is JobState.DONE
    assert rig.runs()["began", queued.job_id] == 0


@pytest.mark.parametrize("stage", ["load", "diffuse", "decode"])
def test_j7_a_job_that_runs_is_cancelled_at_any_stage_and_its_worker_stays(rig, client, stage):
    worker = rig.server.children()
    info = rig.submit(client, ("gate", str(rig.gate), stage), OK)
    rig.reaches(client, info.job_id, stage)
    for _ in range(2):
        client.cancel(info.job_id)
    assert rig.ended(client, info.job_id).state is JobState.CANCELLED
    assert client.cancel(info.job_id).state is JobState.CANCELLED
    assert rig.ended(client, rig.submit(client, OK).job_id).state is JobState.DONE
    assert rig.server.children() == worker
    assert rig.runs()["finished", info.job_id] == 0


@pytest.mark.parametrize("first", [("comment",), ("ignore_sigterm",)], ids=["deaf", "stubborn"])
def test_j7_a_job_that_does_not_listen_is_cancelled_by_force(rig, client, first):
    worker = rig.server.children()
    info = rig.submit(client, first, ("deaf_gate", str(rig.gate)), OK)
    rig.reaches(client, info.job_id, "deaf gate")
    client.cancel(info.job_id)
    assert rig.ended(client, info.job_id).state is JobState.CANCELLED
    assert rig.ended(client, rig.submit(client, OK).job_id).state is JobState.DONE
    assert rig.server.children() != worker


def test_j7_a_job_that_has_ended_or_is_unknown_is_not_touched(rig, client):
    done = rig.ended(client, rig.submit(client, OK).job_id)
    assert client.cancel(done.job_id) == done
    with pytest.raises(UnknownJob):
        client.cancel("no such job")


def test_j9_an_exception_fails_its_job_and_the_worker_stays_warm(rig, client):
    worker = rig.server.children()
    info = rig.submit(client, ("raise_error", "ValueError", "wrong number of hats"))
    failed = rig.ended(client, info.job_id)
    assert (failed.state, failed.error_code) == (JobState.FAILED, "internal_error")
    assert "ValueError: wrong number of hats" in failed.error_text
    assert "in raise_error" in failed.error_text
    huge = rig.submit(client, ("raise_error", "ValueError", "x", 1 << 20))
    assert 1000 < len(rig.ended(client, huge.job_id).error_text.encode()) <= 10_000
    odd = rig.submit(client, ("raise_surrogate",))
    assert r"\udce9" in rig.ended(client, odd.job_id).error_text
    assert rig.ended(client, rig.submit(client, OK).job_id).state is JobState.DONE
    assert rig.server.children() == worker


@pytest.mark.parametrize(
    ("step", "how"),
    [
        (("signal_self", "SIGSEGV"), "SIGSEGV"),
        (("signal_self", "SIGKILL"), "SIGKILL"),
        (("exit", 3), "exit code 3"),
    ],
    ids=["segfault", "out-of-memory killer", "sudden exit"],
)
def test_j12_a_worker_that_dies_costs_its_job_and_is_replaced(rig, client, step, how):
    info = rig.submit(client, ("progress", "render", 1, 9), step, OK)
    failed = rig.ended(client, info.job_id)
    assert (failed.state, failed.error_code) == (JobState.FAILED, "worker_died")
    assert how in failed.error_text
    assert "render" in failed.error_text
    assert rig.ended(client, rig.submit(client, OK).job_id).state is JobState.DONE
    assert rig.runs()["began", info.job_id] == 1


def test_j12_a_worker_that_is_killed_from_outside_costs_its_job(rig, client):
    info = rig.submit(client, ("gate", str(rig.gate)), OK)
    rig.reaches(client, info.job_id, "gate")
    [worker] = rig.server.children()
    worker.kill()
    failed = rig.ended(client, info.job_id)
    assert (failed.error_code, "SIGKILL" in failed.error_text) == ("worker_died", True)
    assert rig.ended(client, rig.submit(client, OK).job_id).state is JobState.DONE


def test_j15_results_that_cannot_all_be_stored_are_not_seen_at_all(make_rig):
    rig = make_rig()
    rig.start("--fail", "before_rename:4", warm=False)  # two inputs and the first result go well
    with rig.client() as client:
        info = rig.submit(client, ("result", "a", "A"), ("result", "b", "B"))
        failed = rig.ended(client, info.job_id)
        assert (failed.state, failed.error_code) == (JobState.FAILED, "disk_full")
        assert failed.results == {}
        with pytest.raises(UnknownBlob):
            client.download(blob_of_bytes(b"A"), rig.root / "a")
        assert rig.ended(client, rig.submit(client, OK).job_id).state is JobState.DONE


def test_j18_a_device_that_is_gone_makes_its_worker_unhealthy_and_jobs_wait(rig, client):
    lost = rig.submit(client, ("gate", str(rig.gate)), ("raise_error", "RuntimeError", CUDA_LOST))
    waiting = rig.submit(client, OK)
    rig.device_gone.touch()
    rig.gate.touch()
    assert rig.ended(client, lost.job_id).error_code == "device_error"
    worker = until(lambda: client.status().workers[0], lambda worker: not worker.healthy)
    assert "cpu is gone: CUDA error 100" in worker.text
    assert client.job(waiting.job_id).state is JobState.QUEUED
    rig.device_gone.unlink()
    assert rig.ended(client, waiting.job_id).state is JobState.DONE
    assert client.status().workers[0].healthy
