"""Long clips: windows cover them, and no seam shows."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ex4d.conditions.render import Conditions
from ex4d.engines.base import GenerateSettings
from ex4d.engines.wan.load import place_transformer
from ex4d.engines.wan.memory import EVERYTHING_STAYS
from ex4d.engines.wan.sampling import Prompts, make_noise, sample
from ex4d.engines.wan.transformer import Conditioning
from ex4d.engines.wan.windows import Window, blend_weights, n_latents_of, plan_windows

from . import tiny
from .conftest import Recorder, make_conditions


def flicker(latents: torch.Tensor) -> float:
    """How much latents [1, C, T', h, w] change at their worst moment, against their usual change.

    The mean absolute change from each latent to the next; the largest one over the median: 1 where
    time goes evenly. A seam between windows that disagree is the moment that stands out.
    """
    change = latents.diff(dim=2).abs().mean(dim=(0, 1, 3, 4))
    return float(change.max() / change.median())


@given(st.integers(1, 300), st.integers(4, 21), st.data())
def test_windows_cover_any_clip_and_their_weights_sum_to_one(n_latents, length, data):
    overlap = data.draw(st.integers(2, length - 1))
    windows = plan_windows(n_latents, length, overlap)
    assert (windows[0].start, windows[-1].latents.stop) == (0, n_latents)
    weights = blend_weights(windows)
    total = torch.zeros(n_latents)
    for window, weight in zip(windows, weights, strict=True):
        assert window.length == min(length, n_latents)
        assert weight.min() >= 0
        total[window.latents] += weight
    torch.testing.assert_close(total, torch.ones(n_latents))
    for window, weight in zip(windows[1:], weights[1:], strict=True):
        assert weight[0] == 0  # its first latent is one frame, not four
        assert window.start > 0
    for before, after in itertools.pairwise(windows):
        assert before.latents.stop - after.start >= overlap


def test_a_clip_of_the_trained_length_is_one_window():
    assert len(plan_windows(n_latents_of(49))) == 1
    assert [w.frames for w in plan_windows(n_latents_of(81))] == [slice(0, 49), slice(32, 81)]
    with pytest.raises(ValueError, match="4 n"):
        n_latents_of(48)


def disagreeing_windows(transformer, windows):
    """Conditionings that pull every window to another look: worse than any clip's windows."""
    grid, conditionings = (4, 4), []
    torch.manual_seed(0)
    image = transformer.embed_image(torch.randn(1, 257, 1280))
    first_frame = torch.randn(1, 20, 1, *grid)
    for window in windows:
        look = torch.randn(1, tiny.DIM, 1, 2, 2).expand(-1, -1, window.length, -1, -1)
        first = first_frame.expand(-1, -1, window.length, -1, -1)
        conditionings.append(Conditioning(first, look, image))
    return conditionings


def test_seams_between_windows_that_disagree_are_spread_over_the_overlap():
    model = tiny.make_transformer().eval()
    transformer = place_transformer(model, torch.device("cpu"), EVERYTHING_STAYS)
    windows = plan_windows(31)
    conditionings = disagreeing_windows(transformer, windows)
    text = transformer.embed_text(torch.randn(5, tiny.TEXT_DIM))
    still = make_noise((1, 16, 1, 4, 4), 1).expand(-1, -1, 31, -1, -1)
    noise = still + 0.1 * make_noise((1, 16, 31, 4, 4), 2)  # changes a little and evenly
    settings = GenerateSettings(num_inference_steps=4, guidance_scale=1.0)

    def denoised(pairs, noise):
        prompts = Prompts(text, text)
        return sample(transformer, pairs, prompts, noise, settings, lambda *_: None)

    blended = denoised(list(zip(windows, conditionings, strict=True)), noise)
    parts, end = [], 0
    for window, conditioning in zip(windows, conditionings, strict=True):
        alone = (Window(0, window.length), conditioning)
        parts.append(denoised([alone], noise[:, :, window.latents])[:, :, end - window.start :])
        end = window.latents.stop
    cut = torch.cat(parts, dim=2)
    ours, theirs = flicker(blended), flicker(cut)
    print(f"\nflicker: {ours:.2f} blended, {theirs:.2f} cut")
    assert blended.shape == cut.shape
    assert ours < 2.2
    assert theirs > 2 * ours


def test_a_clip_of_any_length_goes_through_the_whole_engine(generate):
    conditions = make_conditions(n_frames=71, size=(32, 32), hole=np.s_[:, 8:24, 10:20])
    watcher = Recorder()
    frames = generate(conditions, watcher=watcher)
    assert frames.shape == (71, 32, 32, 3)
    assert ("denoise", 4, 4) in watcher.stages  # two windows, two steps
    short = Conditions(conditions.color[:49], conditions.mask[:49])
    assert (frames[:5] != generate(short)[:5]).any()  # the windows know of each other
