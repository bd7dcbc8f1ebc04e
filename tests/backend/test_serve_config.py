"""`ex4d serve --config FILE` in a process of its own: what the file says is what is served."""

from __future__ import annotations

import subprocess
import sys

import pytest

from protocol.errors import Busy
from protocol.messages.jobs import DepthFiles, Generate, JobState, Reconstruct, Source

from .test_server import ROOT, client_of, keys, serve, shot

__all__ = ["keys", "serve", "shot"]  # fixtures

CONFIG = """
bind = "tcp://127.0.0.1:0"
data_dir = "jobs"
keys = "keys"
devices = ["cpu", "cpu"]
models = "weights"
queued_jobs = 2
connections = 5
kept_hours = 2
store_gib = 1
picture_pixels = 1000
"""


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "server.toml"
    file.write_text(CONFIG, "utf-8")
    return file


def ex4d(*flags) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "ex4d", *map(str, flags)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_a_server_does_what_its_file_says(serve, keys, config, shot, tmp_path):
    running = serve(flags=["--config", str(config)])
    with client_of(keys, "anna", running) as client:
        limits = client.connect().limits
        assert (limits.queued_jobs, limits.connections, limits.kept_s) == (2, 5, 7200)
        assert limits.blob_bytes == 1 << 29
        assert [worker.device for worker in client.status().workers] == ["cpu", "cpu"]
        assert (tmp_path / "jobs" / "lock").exists()  # beside the file, wherever it was started
        clip, depth = client.upload(shot / "clip.mp4"), client.upload(shot / "depth.npz")
        source = Source(clip, "clip.mp4", DepthFiles([depth]))
        info = client.submit(Reconstruct(source), key="too large")
        assert list(client.attach(info.job_id))
        failed = client.job(info.job_id)
    assert failed.state is JobState.FAILED  # a worker has got its part of the settings, too
    assert "1000 pixels" in failed.error_text
    assert running.stop() == 0


def test_a_client_hears_of_the_step_distilled_lora(serve, keys, config, tmp_path):
    lora = tmp_path / "four steps.safetensors"
    lora.touch()
    running = serve(flags=["--config", str(config), "--steps_lora", str(lora)])
    with client_of(keys, "anna", running) as client:
        assert client.connect().extra == {"steps_lora": "four steps.safetensors"}
    assert running.stop() == 0
    told = ex4d("serve", "--config", config, "--steps_lora", tmp_path / "none")
    assert (told.returncode, told.stderr.count("\n")) == (2, 1)
    assert f"the step-distilled LoRA {tmp_path / 'none'} is no file" in told.stderr


def test_a_flag_beats_the_file(serve, keys, config, tmp_path):
    flags = ["--config", str(config), "--queued_jobs", "1", "--data_dir", str(tmp_path / "other")]
    running = serve(flags=[*flags, "--device", "cpu", "--worker_start_s", "0.01"])
    with client_of(keys, "anna", running) as client:
        limits = client.connect().limits
        assert (limits.queued_jobs, limits.connections) == (1, 5)
        assert len(client.status().workers) == 1
        blob = client.upload(config)
        client.submit(Generate(blob, blob), key="waits: no worker gets ready so soon")
        with pytest.raises(Busy, match="1 jobs of yours wait, the limit is 1"):
            client.submit(Generate(blob, blob), key="one more")
    assert (tmp_path / "other" / "lock").exists()
    assert not (tmp_path / "jobs").exists()


def test_what_is_shown_serves_the_same_from_anywhere(serve, keys, config, tmp_path):
    shown = ex4d("serve", "--config", config, "--show_config", "--queued_jobs", 1)
    assert (shown.returncode, shown.stderr) == (0, "")
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / "copy.toml"
    copy.write_text(shown.stdout, "utf-8")
    again = ex4d("serve", "--config", copy, "--show_config")
    assert again.stdout == shown.stdout
    assert not (tmp_path / "jobs").exists()
    running = serve(flags=["--config", str(copy)])
    with client_of(keys, "anna", running) as client:
        limits = client.connect().limits
    assert (limits.queued_jobs, limits.connections, limits.blob_bytes) == (1, 5, 1 << 29)
    assert (tmp_path / "jobs" / "lock").exists()


def test_a_wrong_file_ends_it_with_2_and_one_sentence(config):
    config.write_text(CONFIG.replace("queued_jobs", "queue_jobs"), "utf-8")
    refused = ex4d("serve", "--config", config)
    assert (refused.returncode, refused.stdout) == (2, "")
    said = f"queue_jobs in {config} is no setting of this server; is queued_jobs meant?\n"
    assert refused.stderr == f"ex4d serve: {said}"
