"""The VAE, a few frames at a time, against diffsynth's own way through a whole clip."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
import torch

from ex4d.engines.wan.architecture import make_vae
from ex4d.engines.wan.diffsynth import import_diffsynth, without_values
from ex4d.engines.wan.vae.autoencoder import VideoAutoencoder
from ex4d.engines.wan.vae.model import WanVae

from . import tiny

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def public():
    """The public code's class at the tiny size, where no weight and no statistic is zero or one."""
    vae = tiny.make_vae()
    torch.manual_seed(0)
    for parameter in vae.parameters():
        if parameter.ndim == 1 or parameter.shape[1:].numel() == 1:  # biases, and norms' weights
            parameter.data += 0.3 * torch.randn(parameter.shape)
    library = import_diffsynth("models.wan_video_vae")
    whole = library.WanVideoVAE(z_dim=16)
    whole.model, whole.mean, whole.std = vae, torch.randn(16), torch.rand(16) + 0.5
    whole.scale = [whole.mean, 1 / whole.std]
    return whole.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def model(public):
    """The same in ours."""
    state = public.model.state_dict()
    vae = make_vae({name: tuple(tensor.shape) for name, tensor in state.items()})
    vae.load_state_dict(state, assign=True)
    vae.mean, vae.deviation = public.mean, public.std
    return vae.requires_grad_(False)


def video(n_frames=9, width=48, height=32, seed=0):
    values = np.random.default_rng(seed).uniform(-1, 1, (n_frames, height, width, 3))
    return values.astype("float32")


def reader(values):
    return lambda frames, device: torch.from_numpy(values[frames]).to(device)


def mute(done, total):
    return None


def test_names_and_sizes_are_those_of_the_published_weights():
    library = import_diffsynth("models.wan_video_vae")
    with without_values():
        theirs = library.WanVideoVAE()
    shapes = {name: tuple(tensor.shape) for name, tensor in theirs.model.state_dict().items()}
    vae = make_vae(shapes)
    assert {name: tuple(tensor.shape) for name, tensor in vae.state_dict().items()} == shapes
    torch.testing.assert_close(vae.mean, theirs.mean)
    torch.testing.assert_close(vae.deviation, theirs.std)


@pytest.mark.parametrize("n_frames", [1, 5, 9, 13])
def test_videos_encoded_together_equal_diffsynths_one_by_one(public, model, n_frames):
    videos = [video(n_frames, seed=seed) for seed in range(3)]
    ours = VideoAutoencoder(model, CPU).encode(
        [reader(values) for values in videos], slice(0, n_frames), (48, 32), mute
    )
    theirs = [
        public.encode(torch.from_numpy(values).permute(3, 0, 1, 2)[None], CPU) for values in videos
    ]
    torch.testing.assert_close(ours, torch.cat(theirs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n_latents", [1, 2, 4])
def test_decoded_frames_equal_diffsynths(public, model, n_latents):
    latents = torch.randn(1, 16, n_latents, 4, 6)
    ours = VideoAutoencoder(model, CPU).decode(latents, mute)
    whole = public.decode(latents, CPU)[0].permute(1, 2, 3, 0).numpy()
    np.testing.assert_allclose(ours, (whole + 1) * 127.5, atol=0.51)


def test_decoded_values_equal_diffsynths_to_1e_5(public, model):
    latents, past = torch.randn(1, 4, 4, 6, 16), {}
    decoded = torch.cat([model.decode(part, past) for part in latents.split(1, dim=1)], dim=1)
    theirs = public.model.decode(latents.permute(0, 4, 1, 2, 3), [torch.zeros(16), torch.ones(16)])
    torch.testing.assert_close(decoded, theirs.permute(0, 2, 3, 4, 1), rtol=1e-5, atol=1e-5)


def test_more_frames_at_once_give_the_same(model):
    frames = torch.from_numpy(video(17))[None]
    few, many = {}, {}
    latents = [model.encode(part, few) for part in frames.split([1, 4, 4, 4, 4], dim=1)]
    together = [model.encode(part, many) for part in frames.split([1, 8, 8], dim=1)]
    torch.testing.assert_close(torch.cat(latents, 1), torch.cat(together, 1), rtol=0, atol=1e-5)
    latents, few, many = torch.cat(latents, 1), {}, {}
    decoded = [model.decode(part, few) for part in latents.split(1, dim=1)]
    together = [model.decode(part, many) for part in latents.split([1, 2, 2], dim=1)]
    torch.testing.assert_close(torch.cat(decoded, 1), torch.cat(together, 1), rtol=0, atol=1e-5)


def test_a_part_of_a_video_is_encoded_as_if_it_were_all(model):
    given, vae = video(13), VideoAutoencoder(model, CPU)
    part = vae.encode([reader(given)], slice(4, 9), (48, 32), mute)
    alone = vae.encode([reader(given[4:9])], slice(0, 5), (48, 32), mute)
    torch.testing.assert_close(part, alone, rtol=0, atol=0)


def test_what_does_not_fit_at_once_is_encoded_in_turns(model):
    videos = [reader(video(5, seed=seed)) for seed in range(3)]
    progress = []
    vae = VideoAutoencoder(model, CPU, most_pixels=2 * 48 * 32)
    latents = vae.encode(videos, slice(0, 5), (48, 32), lambda *args: progress.append(args))
    together = VideoAutoencoder(model, CPU).encode(videos, slice(0, 5), (48, 32), mute)
    torch.testing.assert_close(latents, together, rtol=0, atol=1e-5)
    assert progress == [(done, 4) for done in range(5)]  # two and one, two latents each


def test_tiles_give_nearly_the_same(public, model):
    whole, tiled = VideoAutoencoder(model, CPU), VideoAutoencoder(model, CPU, tile_px=64)
    given = np.full((5, 80, 112, 3), 0.25, np.float32)
    latents = whole.encode([reader(given)], slice(0, 5), (112, 80), mute)
    in_tiles = tiled.encode([reader(given)], slice(0, 5), (112, 80), mute)
    assert (in_tiles - latents).abs().mean() < 0.1 * latents.std()
    progress = []
    ours = tiled.decode(latents, lambda done, total: progress.append((done, total)))
    expected = whole.decode(latents, mute)
    with contextlib.redirect_stderr(io.StringIO()):
        theirs = public.decode(latents, CPU, tiled=True, tile_size=(8, 8), tile_stride=(4, 4))
    theirs = (theirs[0].permute(1, 2, 3, 0).numpy() + 1) * 127.5
    # A random VAE makes much of a tile's edges; diffsynth's own tiles show how much.
    bound = 1.1 * np.abs(theirs - expected).mean() + 0.3  # ours are rounded
    assert np.abs(ours - expected.astype(float)).mean() < bound
    assert np.corrcoef(ours.ravel(), expected.ravel())[0, 1] > 0.8
    assert progress[-1] == (12, 12)  # two tiles by three, two latents each
    assert [done for done, _ in progress] == sorted(done for done, _ in progress)


def test_one_that_is_not_of_wans_size_takes_latents_as_they_are():
    vae = WanVae(8, 4, 1)
    assert vae.mean.eq(0).all()
    assert vae.deviation.eq(1).all()
    assert len(vae.mean) == 4
