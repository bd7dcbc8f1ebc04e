"""From videos to a trained checkpoint, and from that to a clip: the commands as people run them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from ex4d.conditions.files import write_conditions
from ex4d.conditions.render import Conditions
from ex4d.training.cache.files import read_cache
from ex4d.training.fit.model import read_sample
from ex4d.training.fit.sample_choices import SampleChoices
from ex4d.training.fit.settings import TrainSettings
from ex4d.video.writer import read_color

from .fit.small import make_base, make_model, shapes_of
from .scenes import moving_clip, write_clip

SIZE = ["--width=64", "--height=64"]


@pytest.fixture
def done(ex4d):
    """A function that runs a command, which must succeed."""

    def run(*arguments):
        code, out, err = ex4d(*arguments)
        assert code == 0, err
        return out

    return run


def losses_of(cache, checkpoint=None):
    """The losses of a fixed batch, of all clips of the cache, before or after training."""
    model = make_model(base=make_base(), hidden=1024)
    if checkpoint is not None:
        model.adapter.load(checkpoint, shapes_of(make_base()))
    draws = SampleChoices(cache, cache.entries, TrainSettings())
    batch = [read_sample(cache, draws[number]) for number in range(2)]
    with torch.no_grad():
        return sum(model(sample).item() for sample in batch)


def without_geometry(checkpoint, path):
    """The checkpoint with an encoder of zeros."""
    tensors = torch.load(checkpoint, weights_only=True)
    zeroed = {n: torch.zeros_like(t) if "latent" in n else t for n, t in tensors.items()}
    torch.save(zeroed, path)
    return path


@pytest.mark.slow
def test_ordinary_videos_become_an_adapter_that_generate_takes(done, models, tmp_path):
    videos, dataset, cache, run = (tmp_path / n for n in ("videos", "dataset", "cache", "run"))
    for name, seed in (("a", 0), ("b", 1)):
        write_clip(videos, name, n_frames=9, size=(80, 64), seed=seed)
    kinds = "--masks=rendering=1,tracking=1"
    done("masks", f"--input_dir={videos}", f"--output_dir={dataset}", *SIZE, "--num_frames=9",
         kinds, "--workers=1")  # fmt: skip
    done("cache", f"--dataset={dataset}", f"--output_dir={cache}", f"--models={models}")
    done("train", f"--cache={cache}", f"--models={models}", f"--output_dir={run}", "--rank=4",
         "--steps=60", "--batch_size=2", "--learning_rate=0.01", "--warmup_steps=0",
         "--held_out=0")  # fmt: skip

    trained = read_cache(cache)
    assert losses_of(trained, run / "ex4d.ckpt") < 0.8 * losses_of(trained)

    clip = moving_clip(9, (64, 64), seed=5)
    mask = np.ones(clip.is_box.shape, np.bool_)
    mask[1:, 20:44, 30:] = False
    color = np.where(mask[..., None], clip.frames, 0).astype(np.uint8)
    write_conditions(tmp_path, "x", Conditions(color, mask), Fraction(24))
    blind = without_geometry(run / "ex4d.ckpt", tmp_path / "blind.ckpt")
    frames = {}
    for name, checkpoint in (("result", run / "ex4d.ckpt"), ("blind", blind)):
        done("generate", f"--color_video={tmp_path}/color_x.mp4", "--engine=wan",
             f"--mask_video={tmp_path}/mask_x.mp4", f"--output_video={tmp_path}/{name}.mp4",
             f"--models={models}", f"--checkpoint={checkpoint}", "--num_inference_steps=4",
             "--seed=3", *SIZE)  # fmt: skip
        frames[name] = read_color(tmp_path / f"{name}.mp4")[0].astype(int)
    assert frames["result"].shape == (9, 64, 64, 3)
    assert np.abs(frames["result"] - frames["blind"]).mean() > 2  # it follows the geometry

    out = done("evaluate", f"--dataset={dataset}", f"--output_dir={tmp_path / 'scores'}",
               "--engine=wan", f"--models={models}", f"--checkpoint={run / 'ex4d.ckpt'}",
               "--held_out=1", "--num_inference_steps=2")  # fmt: skip
    assert "psnr/unseen" in out
