"""What goes wrong in a worker costs its job at most: J7, J9 to J14 and T13 on real processes."""

from __future__ import annotations

import os
import signal
import sys
import time

import psutil
import pytest

from backend.executors.base import WorkerState
from protocol.messages.jobs import JobState

from .conftest import quick_settings

OK = ("result", "out.txt", "fine")


def pid_of(harness):
    harness.until(lambda: harness.executors[0].state is WorkerState.READY, "a worker")
    return harness.executors[0].pid


def does_a_job(harness) -> bool:
    return harness.ended(harness.submit(OK))[0].state is JobState.DONE


def test_a_job_is_done_and_its_result_stands_in_the_store(harness):
    [info] = harness.ended(harness.submit(("progress", "render", 1, 2), OK))
    assert (info.state, info.stage, info.done, info.total) == (JobState.DONE, "render", 1, 2)
    assert harness.text_of(info.results["out.txt"]) == "fine"
    assert [event.state for event in harness.events] == ["queued", "running", "running", "done"]


def test_j9_an_exception_fails_the_job_and_the_worker_stays_warm(harness):
    pid = pid_of(harness)
    [info] = harness.ended(harness.submit(("raise_error", "ValueError", "wrong number of hats")))
    assert (info.state, info.error_code) == (JobState.FAILED, "internal_error")
    assert "ValueError: wrong number of hats" in info.error_text
    assert "in raise_error" in info.error_text  # the traceback
    assert does_a_job(harness)
    assert pid_of(harness) == pid


@pytest.mark.parametrize(
    "step", [("raise_error", "ValueError", "é", 1 << 20), ("raise_surrogate",)]
)
def test_j9_a_text_that_fits_no_message_is_cut_and_escaped(harness, step):
    [info] = harness.ended(harness.submit(step))
    assert info.error_code == "internal_error"
    assert len(info.error_text.encode()) <= 10_000


def test_j9_what_the_user_can_mend_keeps_its_code_and_is_one_sentence(harness):
    [info] = harness.ended(harness.submit(("raise_error", "VideoError", "clip.mp4 is empty")))
    assert (info.error_code, info.error_text) == ("invalid_video", "clip.mp4 is empty")


def test_j10_the_second_lack_of_memory_in_a_row_replaces_the_worker(harness, tmp_path):
    pid, notes = pid_of(harness), tmp_path / "notes"
    [first] = harness.ended(harness.submit(("allocate",)))
    assert first.error_code == "out_of_memory"
    assert "fewer frames" in first.error_text
    [second] = harness.ended(harness.submit(("note", str(notes)), ("allocate",)))
    assert notes.read_text() == f"{pid} 2 1\n"  # the same process, its memory freed once
    assert second.error_code == "out_of_memory"
    replaced = pid_of(harness)
    assert replaced != pid
    harness.ended(harness.submit(("allocate",), key="the new one's first"))
    assert does_a_job(harness)
    assert pid_of(harness) == replaced


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such limit")
def test_m8_a_job_gets_no_more_memory_than_its_worker_may_have(make_service):
    """It is told in words and costs neither the worker nor another process anything."""
    harness = make_service(settings=quick_settings(worker_gib=1.0))
    pid = pid_of(harness)
    [info] = harness.ended(harness.submit(("fill", 2 << 30)))
    assert info.error_code == "out_of_memory"
    assert "fewer frames or a smaller size" in info.error_text
    assert psutil.Process(pid).memory_info().rss < 1 << 30
    assert harness.ended(harness.submit(("fill", 1 << 28), OK))[0].state is JobState.DONE
    assert pid_of(harness) == pid


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such limit")
def test_m8_a_worker_may_have_a_share_of_the_machines_memory(make_service):
    harness = make_service()
    pid_of(harness)
    limit, _ = psutil.Process(harness.executors[0].pid).rlimit(psutil.RLIMIT_DATA)
    assert psutil.virtual_memory().total / 2 < limit < psutil.virtual_memory().total


def test_j11_a_poisoned_gpu_context_replaces_the_worker(harness):
    pid = pid_of(harness)
    text = "CUDA error: an illegal memory access was encountered"
    [info] = harness.ended(harness.submit(("raise_error", "RuntimeError", text)))
    assert info.error_code == "device_error"
    assert does_a_job(harness)
    assert pid_of(harness) != pid


@pytest.mark.parametrize(
    ("step", "how"),
    [
        (("exit", 3), "exit code 3"),
        (("signal_self", "SIGSEGV"), "SIGSEGV"),
        (("signal_self", "SIGKILL"), "SIGKILL"),
        (("garble",), "SIGKILL"),
    ],
)
def test_j12_a_dead_worker_is_named_replaced_and_its_job_not_tried_again(harness, step, how):
    [info] = harness.ended(harness.submit(("progress", "render", 0, 9), step))
    assert (info.state, info.error_code) == (JobState.FAILED, "worker_died")
    assert how in info.error_text
    assert "in stage render" in info.error_text
    assert harness.service.journal.entry(info.job_id).attempts == 1
    assert does_a_job(harness)


def test_j12_death_is_noticed_by_the_pipe_and_not_by_a_timer(harness, gate):
    job_id = harness.submit(("gate", str(gate)))
    harness.reaches(job_id, "gate")
    killed_s = time.monotonic()
    os.kill(harness.executors[0].pid, signal.SIGKILL)
    while harness.info(job_id).state is JobState.RUNNING:
        harness.service.step(10)  # nothing but the pipe ends this wait early
    assert time.monotonic() - killed_s < 2


def test_j12_a_worker_that_cannot_load_is_unhealthy_and_jobs_stay_queued(make_service):
    harness = make_service(runner="tests.backend.fake_engine:BrokenRunner")
    job_id = harness.submit(OK)
    harness.until(lambda: harness.executors[0].state is WorkerState.UNHEALTHY, "unhealthy")
    assert "does not start" in harness.service.status().workers[0].problem
    assert harness.info(job_id).state is JobState.QUEUED
    assert harness.service.timeout_s() > 0.5  # not again and again at once


def test_j12_a_part_that_the_settings_ask_for_and_is_not_here_is_said_without_advice(
    make_service, capfd
):
    settings = quick_settings(rasterizer="nvdiffrast")
    harness = make_service(runner="backend.worker.job_runner:JobRunner", settings=settings)
    harness.until(lambda: harness.executors[0].state is WorkerState.UNHEALTHY, "unhealthy")
    problem = harness.service.status().workers[0].problem
    assert "does not start: the rasterizer nvdiffrast cannot run, nvdiffrast is not" in problem
    assert "--" not in problem
    assert "or use --rasterizer cpu" in capfd.readouterr().err  # for who runs the server


@pytest.mark.alone
@pytest.mark.parametrize("step", [("hold_interpreter",), ("signal_self", "SIGSTOP")])
def test_j13_a_worker_that_hangs_is_replaced_and_the_service_answers(make_service, step):
    harness = make_service(settings=quick_settings(worker_stage_s=0.4))
    pid_of(harness)
    job_id = harness.submit(step)
    harness.until(lambda: harness.info(job_id).state is JobState.RUNNING)
    slowest_s = 0.0
    while harness.info(job_id).state is JobState.RUNNING:
        started_s = time.monotonic()
        harness.service.step()
        slowest_s = max(slowest_s, time.monotonic() - started_s)
    assert harness.info(job_id).error_code == "timeout"
    assert "no progress for 0.4 s" in harness.info(job_id).error_text
    assert slowest_s < 0.3
    assert does_a_job(harness)


def test_j14_a_flood_of_progress_is_thinned_and_stages_and_last_values_stay(harness):
    started_s = time.monotonic()
    job_id = harness.submit(("flood", "first", 10_000), ("flood", "second", 10_000), OK)
    harness.ended(job_id)
    seen = [(e.stage, e.done) for e in harness.events if e.state == "running" and e.stage]
    assert len(seen) <= 10 * (time.monotonic() - started_s) + 5
    assert seen[0] == ("first", 0)
    assert {("first", 9_999), ("second", 0), ("second", 9_999)} <= set(seen)
    assert [e.sequence for e in harness.events] == sorted({e.sequence for e in harness.events})


def test_j14_the_last_value_before_a_pause_is_told(harness, gate):
    job_id = harness.submit(("flood", "render", 500), ("deaf_gate", str(gate)), OK)
    harness.until(lambda: ("render", 499) in {(e.stage, e.done) for e in harness.events})
    gate.touch()
    harness.ended(job_id)


def test_a_worker_in_a_job_ends_by_itself_when_its_server_goes(harness, gate):
    harness.reaches(harness.submit(("deaf_gate", str(gate))), "deaf gate")
    harness.service.close(timeout_s=20)
    assert harness.executors[0].returncode == 0


def test_a_worker_that_cannot_listen_ends_with_its_server(make_service, tmp_path):
    harness = make_service()
    worker = psutil.Process(pid_of(harness))
    harness.submit(("hold_interpreter",))
    harness.until(lambda: harness.events[-1].stage == "holding", "the hold")
    harness.service.close(timeout_s=0.2)
    worker.wait(5)
    assert not worker.is_running()


def test_what_a_worker_tells_of_another_job_is_not_believed(harness, gate):
    job_id = harness.submit(("impersonate",), ("gate", str(gate)), OK)
    harness.reaches(job_id, "gate")
    gate.touch()
    [info] = harness.ended(job_id)
    assert list(info.results) == ["out.txt"]


def test_a_ctrl_c_in_the_servers_terminal_does_not_reach_its_workers(harness):
    assert os.getsid(pid_of(harness)) != os.getsid(0)
