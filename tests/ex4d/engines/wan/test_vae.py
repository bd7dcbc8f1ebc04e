"""The VAE, a few frames at a time, against diffsynth's own way through a whole clip."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
import torch

from ex4d.engines.wan.architecture import make_vae
from ex4d.engines.wan.diffsynth import import_diffsynth
from ex4d.engines.wan.vae import VideoAutoencoder

from . import tiny

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model():
    """A WanVideoVAE of the tiny size, with means and deviations that are none."""
    state = tiny.make_vae().state_dict()
    vae = make_vae({name: tuple(tensor.shape) for name, tensor in state.items()})
    vae.model.load_state_dict(state, assign=True)
    torch.manual_seed(0)
    vae.mean, vae.std = torch.randn(16), torch.rand(16) + 0.5
    vae.scale = [vae.mean, 1 / vae.std]
    return vae.eval().requires_grad_(False)


def video(n_frames=9, width=48, height=32):
    return np.random.default_rng(0).uniform(-1, 1, (n_frames, height, width, 3)).astype("float32")


def mute(done, total):
    return None


def test_wans_own_size_is_recognised_by_its_tensors():
    library = import_diffsynth("models.wan_video_vae")
    with torch.device("meta"):
        full = library.VideoVAE_()
    vae = make_vae({name: tuple(tensor.shape) for name, tensor in full.state_dict().items()})
    assert {n: t.shape for n, t in vae.model.state_dict().items()} == {
        n: t.shape for n, t in full.state_dict().items()
    }
    assert float(vae.mean[0]) == pytest.approx(-0.7571)


@pytest.mark.parametrize("n_frames", [1, 5, 9])
def test_encoding_in_parts_equals_diffsynths(model, n_frames):
    given = video(n_frames)
    ours = VideoAutoencoder(model, CPU).encode(
        lambda chunk: given[chunk], slice(0, n_frames), (48, 32), mute
    )
    whole = torch.from_numpy(given).permute(3, 0, 1, 2)[None]
    torch.testing.assert_close(ours, model.encode(whole, CPU), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n_latents", [1, 3])
def test_decoding_in_parts_equals_diffsynths(model, n_latents):
    latents = torch.randn(1, 16, n_latents, 4, 6)
    ours = VideoAutoencoder(model, CPU).decode(latents, mute)
    whole = model.decode(latents, CPU)[0].permute(1, 2, 3, 0).numpy()
    np.testing.assert_allclose(ours, (whole + 1) * 127.5, atol=0.51)


def test_a_part_of_a_video_is_encoded_as_if_it_were_all(model):
    given, vae = video(13), VideoAutoencoder(model, CPU)
    part = vae.encode(lambda chunk: given[chunk], slice(4, 9), (48, 32), mute)
    alone = vae.encode(lambda chunk: given[4:9][chunk], slice(0, 5), (48, 32), mute)
    torch.testing.assert_close(part, alone, rtol=0, atol=0)


def test_tiles_give_nearly_the_same(model):
    whole, tiled = VideoAutoencoder(model, CPU), VideoAutoencoder(model, CPU, tile_px=64)
    given = np.full((5, 80, 112, 3), 0.25, np.float32)
    latents = whole.encode(lambda chunk: given[chunk], slice(0, 5), (112, 80), mute)
    in_tiles = tiled.encode(lambda chunk: given[chunk], slice(0, 5), (112, 80), mute)
    assert (in_tiles - latents).abs().mean() < 0.1 * latents.std()
    progress = []
    ours = tiled.decode(latents, lambda done, total: progress.append((done, total)))
    expected = whole.decode(latents, mute)
    with contextlib.redirect_stderr(io.StringIO()):
        theirs = model.decode(latents, CPU, tiled=True, tile_size=(8, 8), tile_stride=(4, 4))
    theirs = (theirs[0].permute(1, 2, 3, 0).numpy() + 1) * 127.5
    # A random VAE makes much of a tile's edges; diffsynth's own tiles show how much.
    assert np.abs(ours - expected.astype(float)).mean() < 1.1 * np.abs(theirs - expected).mean()
    assert np.corrcoef(ours.ravel(), expected.ravel())[0, 1] > 0.8
    assert progress[-1] == (12, 12)  # two tiles by three, two latents each
    assert [done for done, _ in progress] == sorted(done for done, _ in progress)
