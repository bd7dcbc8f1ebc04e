"""The server is killed, stopped or started twice; the next one makes the best of it."""

from __future__ import annotations

import signal
import subprocess
import sys

import psutil
import pytest

from backend.checkpoints import CHECKPOINTS
from protocol.client.news import Done, Failed
from protocol.messages.jobs import Generate, JobState
from tests.backend.test_server import shot_job
from tests.ex4d.cli.conftest import make_shot

from .ports import lasting_endpoint
from .rig import OK, REAL_SERVER, until
from .server_process import PATIENCE_S, ROOT

KEY = "the key"
SCENARIOS = {  # at which points a plain job would not come by
    "failed": "fail",
    "cancel_request": "cancel",
    "cancelled": "cancel",
    "forget": "forget",
    "queued": "loop",
    "interrupted": "loop",
}
STEPS = {
    "plain": [("progress", "render", 1, 2), OK],
    "forget": [OK],
    "fail": [("raise_error", "ValueError", "no")],
}
CRASHES_BEFORE = {"queued": 1, "interrupted": 2}  # the moves that a server makes when it starts
ENDS = {"fail": JobState.FAILED, "cancel": JobState.CANCELLED}
ENDED_BEFORE = {"after_done", "after_failed", "after_cancelled", "before_forget", "after_forget"}


def answer(background, token):
    """The news of a command, which may take a restart of the server."""
    while True:
        news = background.news.get(timeout=PATIENCE_S)
        if isinstance(news, Done | Failed) and news.token == token:
            return news


def until_killed(server) -> None:
    assert server.wait() == -signal.SIGKILL


@pytest.mark.parametrize("point", CHECKPOINTS)
def test_j4_a_crash_at_any_point_loses_nothing_and_ends_nothing_twice(make_rig, point):
    rig = make_rig()
    what = point.partition("_")[2]
    scenario = SCENARIOS.get(what, "plain")
    crash = f"{point}:3" if what == "rename" else point  # the first two are the job's files
    steps = STEPS.get(scenario) or [("kill_server_unless", str(rig.gate)), OK]
    if scenario == "cancel":
        steps = [("gate", str(rig.gate)), OK]
    dies_early = CRASHES_BEFORE.get(what, 0)
    rig.start(*([] if dies_early else ["--crash", crash]), warm=False)
    with rig.background() as background:
        files = [background.upload(rig.file(data)) for data in (rig.steps(*steps), b"mask")]
        job = Generate(*(answer(background, token).value for token in files))
        submitted = background.submit(job, key=KEY)
        asked = crash_at(rig, background, submitted, scenario, dies_early, crash)
        rig.start(warm=False)
        info = answer(background, submitted).value
        rig.acknowledged.add(info.job_id)
        if asked:
            assert isinstance(answer(background, asked), Done)  # after_forget: asked again, too
        if scenario != "cancel":
            rig.gate.touch()
        check_end(rig, info.job_id, scenario, point)


def crash_at(rig, background, submitted, scenario, dies_early, crash) -> int:
    """Bring the server to the point where it dies; the token of what was asked for then."""
    asked = 0
    if scenario in {"cancel", "forget"}:
        info = answer(background, submitted).value
        background.news.put(Done(submitted, info))  # for the caller
        with rig.client() as client:
            if scenario == "cancel":
                rig.reaches(client, info.job_id, "gate")
            else:
                rig.ended(client, info.job_id)
        asked = (background.cancel if scenario == "cancel" else background.release)(info.job_id)
    for _ in range(dies_early - 1):
        until_killed(rig.server)
        rig.start(warm=False)
    until_killed(rig.server)
    if dies_early:
        assert not rig.start("--crash", crash, warm=False, must_listen=False).listens()
        until_killed(rig.server)
    return asked


def check_end(rig, job_id, scenario, point) -> None:
    with rig.client() as client:
        if scenario == "forget":
            rig.acknowledged.discard(job_id)
            assert client.jobs() == []
        else:
            info = rig.ended(client, job_id)
            if "interrupted" in point:
                assert (info.state, info.error_code) == (JobState.INTERRUPTED, "interrupted")
                assert client.resume(job_id).state is JobState.QUEUED
                info = rig.ended(client, job_id)
            assert info.state is ENDS.get(scenario, JobState.DONE)
    if point in ENDED_BEFORE:
        assert rig.runs()["began", job_id] == 1  # what had ended was not done again


def test_j5_jobs_survive_a_killed_server_in_their_order(rig):
    with rig.client() as client:
        jobs = [rig.submit(client, ("gate", str(rig.gate)), OK)]
        jobs += [rig.submit(client, OK) for _ in range(2)]
        rig.reaches(client, jobs[0].job_id, "gate")
        rig.server.end()
        rig.gate.touch()
        rig.start(warm=False)
        ended = [rig.ended(client, job.job_id) for job in jobs]
    assert [info.state for info in ended] == [JobState.DONE] * 3
    began = [line.split()[1] for line in rig.run_lines() if line.startswith("began")]
    assert began[-4:] == [jobs[n].job_id for n in (0, 0, 1, 2)]


def test_j5_a_job_that_kills_its_server_twice_is_left_to_the_user(rig):
    with rig.client() as client:
        go = rig.root / "go"  # else it might be killed before it answers
        steps = ("gate", str(go)), ("kill_server_unless", str(rig.gate)), OK
        info = rig.submit(client, *steps)
        go.touch()
        for _ in range(2):
            until_killed(rig.server)
            rig.start(warm=False)
        stopped = rig.ended(client, info.job_id)
        assert (stopped.state, stopped.error_code) == (JobState.INTERRUPTED, "interrupted")
        assert rig.ended(client, rig.submit(client, OK).job_id).state is JobState.DONE
        rig.gate.touch()
        assert client.resume(info.job_id).state is JobState.QUEUED
        assert rig.ended(client, info.job_id).state is JobState.DONE


def test_j5_a_real_server_that_is_killed_finishes_its_shot_when_it_is_back(make_rig):
    rig = make_rig(encrypted=True)
    shot = make_shot(rig.root / "shot", 6, (64, 48))
    rig.start(command=REAL_SERVER, warm=False)
    with rig.client() as client:
        info = client.submit(shot_job(client, shot), key="a")
        rig.acknowledged.add(info.job_id)
        rig.reaches(client, info.job_id, "render")
        rig.server.end()
        rig.start(command=REAL_SERVER, warm=False)
        done = rig.ended(client, info.job_id)
        assert done.state is JobState.DONE
        assert client.download(done.results["result.mp4"], rig.root / "x").stat().st_size > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_j19_a_server_that_is_told_to_stop_returns_its_job_to_the_queue(rig, client, number):
    info = rig.submit(client, ("gate", str(rig.gate)), OK)
    rig.reaches(client, info.job_id, "gate")
    workers = rig.server.children()
    assert rig.server.end(number) == 0
    assert not any(worker.is_running() for worker in workers)
    query = "SELECT state, attempts FROM jobs"
    assert rig.journal(query) == [("queued", 0)]
    rig.gate.touch()
    rig.start(warm=False)
    assert rig.ended(client, info.job_id).state is JobState.DONE


def test_j19_the_second_ctrl_c_kills_what_does_not_stop(rig, client):
    info = rig.submit(client, ("ignore_sigterm",), ("deaf_gate", str(rig.gate)), OK)
    rig.reaches(client, info.job_id, "deaf gate")
    [worker] = rig.server.children()
    rig.server.process.send_signal(signal.SIGINT)
    until(lambda: client.status().accepting, lambda accepting: not accepting)
    assert rig.server.end(signal.SIGINT) == 0
    assert not worker.is_running()


def test_j21_one_folder_has_one_server_and_is_free_when_that_was_killed(rig, client):
    bind = lasting_endpoint()
    command = [*REAL_SERVER, "--data_dir", str(rig.data), "--bind", bind]
    second = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert second.returncode == 2
    assert str(rig.data) in second.stderr
    info = rig.submit(client, OK)
    assert rig.ended(client, info.job_id).state is JobState.DONE
    rig.server.end()
    rig.start(warm=False)
    assert client.job(info.job_id).state is JobState.DONE


def test_j16_a_client_that_slept_hears_of_the_end_and_nothing_has_failed(rig, client):
    info = rig.submit(client, ("gate", str(rig.gate)), OK)
    command = ["-m", "tests.faults.watching_client", rig.endpoint, info.job_id]
    with subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as sleeper:
        while "gate" not in sleeper.stdout.readline():
            assert sleeper.poll() is None
        psutil.Process(sleeper.pid).suspend()
        rig.gate.touch()
        assert rig.ended(client, info.job_id).state is JobState.DONE
        psutil.Process(sleeper.pid).resume()
        assert sleeper.stdout.read().split()[-1] == "done"
        assert sleeper.wait(PATIENCE_S) == 0
