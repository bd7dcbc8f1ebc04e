"""The whole server as its users run it: `ex4d serve` in a process of its own, over real sockets."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from backend.cli.submit import arrays_of
from ex4d.camera.presets import preset_path
from ex4d.camera.trajectory import Trajectory
from ex4d.cli.main import main
from ex4d.video import write_video
from protocol.client import Client
from protocol.keys import authorise, make_key_pair, save_key_pair
from protocol.messages.jobs import DepthFiles, JobState, Reconstruct, Shot, Source
from protocol.wire import Address
from tests.ex4d.cli.conftest import make_shot

PATIENCE_S = 60
ROOT = Path(__file__).parents[2]


@dataclass
class Running:
    """A server process."""

    process: subprocess.Popen
    endpoint: str

    def stop(self, number=signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def keys(tmp_path):
    """Two clients that may connect and one that may not."""
    folder = tmp_path / "keys"
    pairs = {name: make_key_pair() for name in ("server", "anna", "ben", "stranger")}
    save_key_pair(pairs["server"], folder, "server")
    for name in ("anna", "ben"):
        authorise(folder / "clients", name, pairs[name].public)
    return pairs


@pytest.fixture
def serve(tmp_path, keys):
    """A function that starts a server on `tmp_path / "data"`, or with the flags that it gets; every
    one is ended."""
    started = []

    def start(bind="tcp://127.0.0.1:0", flags=None) -> Running:
        usual = ["--bind", bind, "--data_dir", str(tmp_path / "data")]
        usual += ["--keys", str(tmp_path / "keys")]
        process = subprocess.Popen(
            [sys.executable, "-m", "ex4d", "serve", *(usual if flags is None else flags)],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        for line in process.stderr:  # ends when the process does
            if "listening" in line:
                return Running(process, line.split("endpoint=")[1].split()[0])
        raise AssertionError(f"the server ended with {process.wait()}")

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.fixture
def shot(tmp_path):
    return make_shot(tmp_path / "shot", 6, (64, 48))


def client_of(keys, name, running) -> Client:
    return Client(Address(running.endpoint, keys["server"].public, keys[name]))


def shot_job(client, shot) -> Shot:
    clip, depth = client.upload(shot / "clip.mp4"), client.upload(shot / "depth.npz")
    path = preset_path("25", 6, 2.0)
    intrinsics = [[60.0, 0, 32], [0, 60, 24], [0, 0, 1]]
    trajectory = Trajectory(path, intrinsics, (64, 48))
    return Shot(Source(clip, "clip.mp4", DepthFiles([depth])), arrays_of(trajectory))


def test_a_shot_goes_up_and_its_results_come_down_whole(serve, keys, shot, tmp_path):
    running = serve()
    with client_of(keys, "anna", running) as client:
        info = client.submit(shot_job(client, shot), key="first")
        events = list(client.attach(info.job_id))
        done = client.job(info.job_id)
        for name, blob in done.results.items():
            client.download(blob, tmp_path / name)
    assert done.state is JobState.DONE
    assert [event.sequence for event in events] == sorted({e.sequence for e in events})
    assert set(done.results) == {
        "color.mp4",
        "mask.mp4",
        "backdrop.npz",
        "camera.npz",
        "result.mp4",
        "summary.json",
    }
    assert running.stop() == 0


def test_conditions_are_bit_for_bit_those_of_the_command_line(serve, keys, shot, tmp_path):
    with client_of(keys, "anna", serve()) as client:
        info = client.submit(shot_job(client, shot), key="first")
        list(client.attach(info.job_id))
        results = client.job(info.job_id).results
        for name in ("color.mp4", "mask.mp4", "camera.npz"):
            client.download(results[name], tmp_path / name)
    flags = ["--input_video", str(shot / "clip.mp4"), "--depth", str(shot / "depth.npz")]
    out = tmp_path / "recon"
    assert (
        main(["recon", *flags, "--camera", str(tmp_path / "camera.npz"), f"--output_dir={out}"])
        == 0
    )
    for name in ("color", "mask"):
        assert (out / f"{name}_camera.mp4").read_bytes() == (tmp_path / f"{name}.mp4").read_bytes()


def test_a_wrong_clip_fails_its_job_with_the_librarys_sentence(serve, keys, shot, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    with client_of(keys, "anna", serve()) as client:
        clip, depth = client.upload(tmp_path / "text.mp4"), client.upload(shot / "depth.npz")
        info = client.submit(
            Reconstruct(Source(clip, "text.mp4", DepthFiles([depth]))), key="first"
        )
        list(client.attach(info.job_id))
        failed = client.job(info.job_id)
        assert failed.state is JobState.FAILED
        assert "text.mp4" in failed.error_text
        again = client.submit(shot_job(client, shot), key="second")  # the worker goes on
        assert list(client.attach(again.job_id))[-1].state is JobState.DONE


def test_the_scripts_client_submits_watches_and_fetches(serve, keys, shot, tmp_path, capsys):
    running = serve()
    save_key_pair(keys["anna"], tmp_path / "mine", "client")
    link = ["--endpoint", running.endpoint, "--server_key", keys["server"].public]
    link += ["--keys", str(tmp_path / "mine")]
    clip = ["--input_video", str(shot / "clip.mp4"), "--depth", str(shot / "depth.npz")]
    out = tmp_path / "out"
    assert main(["submit", *clip, "--cam", "20", "--output_dir", str(out), *link]) == 0
    (tmp_path / "plain").touch()
    assert (out / "result.mp4").stat().st_size > 0
    assert (out / "result.mp4").stat().st_mode == (tmp_path / "plain").stat().st_mode
    capsys.readouterr()
    assert main(["jobs", *link]) == 0
    job_id, state = capsys.readouterr().out.split()[:2]
    assert state == "done"
    assert main(["watch", job_id, *link]) == 0
    assert main(["get", job_id, "--output_dir", str(tmp_path / "again"), *link]) == 0
    assert main(["get", job_id, "--output_dir", str(tmp_path / "again"), *link]) == 0
    pair = ["--color", str(out / "color.mp4"), "--mask", str(out / "mask.mp4")]
    assert main(["submit", *pair, "--output_dir", str(tmp_path / "alone"), *link]) == 0
    here = tmp_path / "here.mp4"  # made with the backdrop that lies beside them
    pair = ["--color_video", str(out / "color.mp4"), "--mask_video", str(out / "mask.mp4")]
    assert main(["generate", *pair, "--output_video", str(here), "--engine", "preview"]) == 0
    assert (tmp_path / "alone" / "result.mp4").read_bytes() == here.read_bytes()
    (out / "result.mp4").write_text("mine")
    for command in (["get", job_id], ["submit", *clip, "--cam", "20"]):
        capsys.readouterr()
        assert main([*command, "--output_dir", str(out), *link]) == 2
        answer = capsys.readouterr()
        assert "result.mp4 cannot be written: it is there already" in answer.err
        assert answer.out == ""  # before anything is sent
    assert (out / "result.mp4").read_text() == "mine"
    assert main(["cancel", job_id, *link]) == 0  # what has ended stays as it is
    assert main(["resume", job_id, *link]) == 0
    assert main(["cancel", "nothing", *link]) == main(["resume", "nothing", *link]) == 2


def test_a_folder_of_somebody_elses_is_not_taken_for_a_servers(tmp_path, capsys):
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "plate.exr").write_text("mine")
    (tmp_path / "lock").write_text("mine")
    assert main(["serve", "--data_dir", str(tmp_path), "--bind", "tcp://127.0.0.1:0"]) == 2
    assert "holds something else than a server's jobs" in capsys.readouterr().err
    assert (tmp_path / "scratch" / "plate.exr").read_text() == "mine"
    assert (tmp_path / "lock").read_text() == "mine"


WRONG_CONDITIONS = {
    "one alone": (["--color={out}/color.mp4"], "go together"),
    "a clip, too": (
        ["--color={out}/color.mp4", "--mask={out}/color.mp4", "--input_video={out}/color.mp4"],
        "in place of --input_video",
    ),
    "of another length": (
        ["--color={out}/color.mp4", "--mask={out}/short.mp4"],
        "do not belong together: 5 frames of 64x48 and 3 frames of 64x48",
    ),
    "no video": (["--color={out}/color.mp4", "--mask={out}/text.mp4"], "text.mp4"),
    "neither": ([], "--input_video says which clip"),
    "another kind": (
        ["--color={out}/color.mp4", "--mask={out}/color.mp4", "--kind=reconstruct"],
        "are conditions already",
    ),
}


@pytest.mark.parametrize("case", WRONG_CONDITIONS)
def test_conditions_that_cannot_be_are_refused_before_anything_is_sent(tmp_path, capsys, case):
    for name, n_frames in (("color", 5), ("short", 3)):
        frames = np.zeros((n_frames, 48, 64, 3), np.uint8)
        write_video(tmp_path / f"{name}.mp4", frames, Fraction(24))
    (tmp_path / "text.mp4").write_text("no video")
    flags, said = WRONG_CONDITIONS[case]
    given = [flag.format(out=tmp_path) for flag in flags]
    assert main(["submit", *given, "--endpoint=tcp://127.0.0.1:9"]) == 2
    assert said in capsys.readouterr().err
