"""A trained adapter inside training makes what `ex4d generate` makes of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ex4d.conditions.render import Conditions
from ex4d.engines.base import EngineOptions, GenerateSettings, Watcher
from ex4d.engines.choose import choose_engine
from ex4d.engines.wan.folder import find_models
from ex4d.engines.wan.load import load_vae
from ex4d.engines.wan.sampling import make_noise
from ex4d.engines.wan.vae.autoencoder import VideoAutoencoder
from ex4d.training.cache.files import read_cache
from ex4d.training.dataset import read_dataset
from ex4d.training.fit.model import Sample
from ex4d.training.fit.sample_choices import held_out_choice
from ex4d.training.fit.settings import TrainSettings
from ex4d.training.fit.steps import make_accelerator
from ex4d.training.fit.validation import Validation
from ex4d.video.writer import read_color, read_mask
from tests.ex4d.engines.wan import tiny

from .small import CPU, make_model, shapes_of

STEPS = 3


@pytest.fixture
def model(models):
    """The models' own released adapter, as training has it."""
    base = tiny.make_transformer().half().float().eval().requires_grad_(False)  # as on disk
    model = make_model(base=base)
    model.adapter.load(find_models(models).checkpoint, shapes_of(base))
    return model


@pytest.fixture
def looks(model, cache):
    ours = read_cache(cache)
    settings = TrainSettings(sample_steps=STEPS, samples=1)
    return Validation(make_accelerator(), model, ours, ours.entries[:1], settings)


def test_a_sample_is_what_the_engine_generates_from_the_same_mask_and_noise(
    looks, models, dataset, cache
):
    ours, given = read_cache(cache), read_dataset(dataset)
    entry = ours.entries[0]
    clip = next(clip for clip in given.clips if clip.name == entry.name)
    record = clip.masks[0]
    video, mask = read_color(given.video(clip))[0], read_mask(given.mask(clip, record))[0]
    color = np.where(mask[..., None], video, 0).astype(np.uint8)
    engine = choose_engine("wan", EngineOptions(models))[0]
    expected = engine.generate(
        Conditions(color, mask), seed=record.seed, watcher=Watcher(),
        settings=GenerateSettings(num_inference_steps=STEPS, size=(64, 64)),
    )  # fmt: skip
    encoded = ours.encoded(entry, 0)
    noise = make_noise(tuple(encoded.video.shape), record.seed)
    latents = looks.generate(Sample(encoded, ours.text(""), 0, noise))
    vae = VideoAutoencoder(load_vae(find_models(models).vae, CPU), CPU)
    frames = vae.decode(latents, lambda done, total: None)
    assert np.ptp(frames) > 100
    difference = np.abs(frames.astype(int) - expected)
    assert difference.max() <= 2  # the cache keeps eleven bits of every latent


def test_the_loss_of_held_out_clips_is_the_same_at_every_look(looks, model, cache):
    assert looks.loss() == looks.loss()
    entry = read_cache(cache).entries[0]
    draw = held_out_choice(0, entry)
    sample = Sample(
        read_cache(cache).encoded(entry, draw.mask), read_cache(cache).text(entry.prompt),
        draw.level, make_noise((1, 16, 3, 8, 8), draw.noise_seed),
    )  # fmt: skip
    with torch.no_grad():
        assert looks.loss() == pytest.approx(model(sample).item())
