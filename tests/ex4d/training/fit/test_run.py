"""A run: what it leaves, and how it goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from tensorboardX.proto.event_pb2 import Event

from ex4d.training.fit.checkpoints import newest_checkpoint
from ex4d.training.fit.settings import read_config
from ex4d.video.writer import read_color

from .conftest import ROOT, SETTINGS, assert_same, values_of


def curves_in(folder):
    """What TensorBoard would show: the values of each curve by step."""
    curves = {}
    for path in sorted(folder.iterdir()):
        data, start = path.read_bytes(), 0
        while start < len(data):  # length, its checksum, the event, its checksum
            (size,) = struct.unpack_from("<Q", data, start)
            event = Event.FromString(data[start + 12 : start + 12 + size])
            for value in event.summary.value:
                curves.setdefault(value.tag, {})[event.step] = value.simple_value
            start += 16 + size
    return curves


def checkpoints_in(run):
    return sorted(path.name for path in (run / "checkpoints").iterdir())


def test_a_run_leaves_its_config_checkpoints_curves_and_samples(train, tmp_path):
    run = tmp_path / "run"
    code, out, err = train(run, held_out=1, samples=1, sample_steps=2, sample_every=3)
    assert (code, err) == (0, "")
    assert "2.7 million values; all blocks on the GPU" in out
    config = read_config(run / "config.toml")
    assert {name: config[name] for name in SETTINGS} == {**SETTINGS, "held_out": 1}
    assert checkpoints_in(run) == ["step-00000002", "step-00000004"]
    newest = run / "checkpoints" / "step-00000004"
    assert json.loads((newest / "state.json").read_text())["step"] == 4
    assert (run / "ex4d.ckpt").read_bytes() == (newest / "ex4d.ckpt").read_bytes()
    curves = curves_in(run / "tensorboard")
    assert list(curves["loss/training"]) == [1, 2, 3, 4]
    assert list(curves["learning_rate"].values()) == pytest.approx([5e-4, 1e-3, 1e-3, 1e-3])
    assert list(curves["loss/held_out"]) == [3, 4]
    for step in (3, 4):
        (video,) = (run / "samples" / f"step-{step:08}").iterdir()
        frames, fps = read_color(video)
        assert (frames.shape, fps) == ((9, 64, 3 * 64, 3), Fraction(24))
        assert all(np.ptp(frames[:, :, at : at + 64]) > 10 for at in (0, 64, 128))


def test_a_run_that_goes_on_is_the_same_bit_for_bit(train, tmp_path):
    assert train(tmp_path / "whole", steps=6)[0] == 0
    assert train(tmp_path / "parts", steps=2)[0] == 0
    code, out, _ = train(tmp_path / "parts", steps=6)
    assert code == 0
    assert "goes on   after step 2" in out
    assert_same(tmp_path / "whole", tmp_path / "parts")
    whole, parts = (curves_in(tmp_path / name / "tensorboard") for name in ("whole", "parts"))
    assert whole["loss/training"] == parts["loss/training"]


def test_the_run_itself_says_all_that_going_on_needs(ex4d, train, tmp_path):
    assert train(tmp_path / "run", steps=2)[0] == 0
    assert ex4d("train", f"--output_dir={tmp_path / 'run'}", "--steps=4")[0] == 0
    code, out, _ = ex4d("train", f"--output_dir={tmp_path / 'run'}")
    assert code == 0
    assert "all 4 steps are made" in out
    config = tmp_path / "run" / "config.toml"
    assert ex4d("train", f"--output_dir={tmp_path / 'again'}", f"--config={config}")[0] == 0
    assert_same(tmp_path / "run", tmp_path / "again")


def test_only_the_last_checkpoints_are_kept(train, tmp_path):
    assert train(tmp_path / "run", checkpoint_every=1, keep_checkpoints=2)[0] == 0
    assert checkpoints_in(tmp_path / "run") == ["step-00000003", "step-00000004"]


@pytest.mark.slow
def test_a_killed_run_loses_at_most_the_steps_since_its_last_checkpoint(train, flags, tmp_path):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "ex4d", "train", *flags(run, steps=10_000)]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}  # as in this process: sums have one order
    pipe = {"stdout": subprocess.PIPE, "text": True, "env": one_thread}
    with subprocess.Popen(command, cwd=ROOT, **pipe) as process:
        for line in process.stdout:
            if "step-00000004" in line:
                break
        os.kill(process.pid, signal.SIGKILL)
    last = json.loads((newest_checkpoint(run) / "state.json").read_text())["step"]
    assert last >= 4
    assert train(run, steps=last + 2)[0] == 0
    assert train(tmp_path / "whole", steps=last + 2)[0] == 0
    assert_same(run, tmp_path / "whole")


def test_a_run_can_begin_with_a_checkpoint(train, models, tmp_path):
    released = torch.load(models / "EX-4D" / "ex4d.ckpt", weights_only=True)
    hidden = {n: t for n, t in released.items() if "latent" not in n}
    assert train(tmp_path / "first", steps=1)[0] == 0
    start = torch.load(tmp_path / "first" / "ex4d.ckpt", weights_only=True)
    torch.save({**start, **hidden}, tmp_path / "start.ckpt")
    begun = train(tmp_path / "run", start_from=tmp_path / "start.ckpt", learning_rate=0, steps=1)
    assert begun[0] == 0
    after = values_of(tmp_path / "run")
    for name, value in {**start, **hidden}.items():
        torch.testing.assert_close(after[name], value, rtol=0, atol=0, msg=name)


def refused(answer, *words):
    code, _, err = answer
    assert (code, err.count("\n")) == (2, 1), err
    for word in words:
        assert word in err


def test_what_does_not_fit_is_refused_and_loses_nothing(train, cache, models, tmp_path):
    run = tmp_path / "run"
    assert train(run)[0] == 0
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    refused(train(run, rank=8, steps=9), "begun with rank 4, and 8 was asked for")
    other = shutil.copytree(cache, tmp_path / "other")
    settings = json.loads((other / "cache.json").read_text())
    (other / "cache.json").write_text(json.dumps({**settings, "erosion_px": [1, 1]}))
    refused(train(run, cache=other, steps=9), "cache of other settings", "step-00000004")
    start = models / "EX-4D" / "ex4d.ckpt"
    refused(train(tmp_path / "new", start_from=start, rank=16), "rank 4, and rank 16 was asked")
    damaged = run / "checkpoints" / "step-00000004" / "optimizer.safetensors"
    damaged.write_bytes(b"cut")
    refused(train(run, steps=9), str(damaged), "not a readable file")
    damaged.write_bytes(before[damaged])
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "new").exists()


def test_bad_input_is_one_sentence(train, ex4d, flags, cache, tmp_path):
    run = tmp_path / "run"
    refused(train(run, cache=None), "no cache was given")
    refused(train(run, cache=tmp_path), "is not a cache of ex4d cache")
    refused(train(run, models=tmp_path), "weights are missing", "ex4d download")
    refused(train(run, held_out=4), "4 clips, and all are held out")
    empty = shutil.copytree(cache, tmp_path / "empty")
    shutil.rmtree(empty / "clips")
    refused(train(run, cache=empty), "holds no clips")
    refused(train(run, steps=0), "steps is 0; it must be at least 1")
    refused(ex4d("train", *flags(run), "--shard"), "--shard needs several GPUs")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    refused(train(tmp_path / "full"), "something else than a run")
    refused(ex4d("train", f"--output_dir={run}", f"--config={tmp_path / 'no.toml'}"), "no.toml")
    assert not run.exists()


def test_a_run_that_breaks_down_keeps_its_checkpoints(train, tmp_path):
    code, _, err = train(tmp_path / "run", learning_rate=1e30, warmup_steps=0, checkpoint_every=1)
    assert code == 1
    assert "in step 2 the loss is" in err
    assert checkpoints_in(tmp_path / "run") == ["step-00000001"]
