"""Our walk through the transformer against diffsynth's own, with the encoder as a hook."""

from __future__ import annotations

import pytest
import torch

from ex4d.engines.base import GenerateSettings
from ex4d.engines.wan.diffsynth import import_diffsynth
from ex4d.engines.wan.load import place_transformer
from ex4d.engines.wan.memory import MemoryPlan
from ex4d.engines.wan.sampling import Prompts, make_noise, noise_levels, sample
from ex4d.engines.wan.transformer import Conditioning
from ex4d.engines.wan.windows import Window, plan_windows

from . import tiny

CPU = torch.device("cpu")


def inputs(n_latents=3):
    torch.manual_seed(7)
    grid = (n_latents, 6, 4)
    return {
        "latents": torch.randn(1, 16, *grid),
        "y": torch.randn(1, 20, *grid),
        "clip_feature": torch.randn(1, 257, 1280),
        "context": torch.randn(9, tiny.TEXT_DIM),
        "geometry": torch.randn(1, tiny.DIM, n_latents, 3, 2),
    }


def padded(context):
    return torch.cat([context, torch.zeros(512 - len(context), tiny.TEXT_DIM)])[None]


@pytest.fixture
def transformer():
    return place_transformer(tiny.make_transformer().eval(), CPU, MemoryPlan(1))


def conditioning_of(transformer, given):
    image = transformer.embed_image(given["clip_feature"])
    return Conditioning(given["y"], given["geometry"], image)


def test_velocities_equal_diffsynths_model_function_with_the_encoder_as_a_hook(transformer):
    given, model = inputs(), tiny.make_public_transformer().eval()
    timestep = torch.tensor([937.5])
    model_function = import_diffsynth("pipelines.wan_video").model_fn_wan_video
    hook = model.patch_embedding.register_forward_hook(lambda *a: a[2] + given["geometry"])
    with torch.no_grad():
        expected = model_function(
            dit=model,
            latents=given["latents"],
            timestep=timestep,
            context=padded(given["context"]),
            clip_feature=given["clip_feature"],
            y=given["y"],
        )
    hook.remove()
    text = transformer.embed_text(given["context"])
    time = transformer.embed_time(timestep)
    ours = transformer.velocities(
        given["latents"], time, [text, text], conditioning_of(transformer, given)
    )
    for branch in ours:
        torch.testing.assert_close(branch, expected, rtol=1e-5, atol=1e-6)


def test_noise_levels_are_diffsynths_wan_schedule():
    scheduler = import_diffsynth("diffusion.flow_match").FlowMatchScheduler("Wan")
    for n_steps, shift in ((25, 5.0), (4, 5.0), (7, 3.0)):
        scheduler.set_timesteps(n_steps, shift=shift)
        levels = noise_levels(n_steps, shift)
        torch.testing.assert_close(levels, scheduler.sigmas, rtol=0, atol=0)
        torch.testing.assert_close(1000 * levels, scheduler.timesteps, rtol=0, atol=0)


def test_a_geometry_of_another_grid_is_refused(transformer):
    given = inputs()
    given["geometry"] = given["geometry"][:, :, :2]
    text, time = transformer.embed_text(given["context"]), transformer.embed_time(torch.ones(1))
    with pytest.raises(ValueError, match="geometry"):
        transformer.velocities(given["latents"], time, [text], conditioning_of(transformer, given))


def test_without_guidance_the_negative_prompt_has_no_effect(transformer):
    given = inputs()
    conditioning = conditioning_of(transformer, given)
    texts = [transformer.embed_text(torch.randn(4, tiny.TEXT_DIM)) for _ in range(3)]
    settings = GenerateSettings(num_inference_steps=2, guidance_scale=1.0)
    windows = [(Window(0, 3), conditioning)]
    clips = [
        sample(transformer, windows, Prompts(texts[0], negative), given["latents"], settings, _mute)
        for negative in texts[1:]
    ]
    torch.testing.assert_close(*clips, rtol=0, atol=0)


def test_windows_under_the_same_conditions_blend_to_what_each_of_them_predicts(transformer):
    """Weights sum to one: where all windows agree, blending changes nothing."""
    given = inputs(5)
    windows = plan_windows(9, length=5, overlap=2)
    conditioning = conditioning_of(transformer, given)
    text = transformer.embed_text(given["context"])
    settings = GenerateSettings(num_inference_steps=1, guidance_scale=1.0)
    noise = make_noise((1, 16, 9, 6, 4), 3)
    pairs = [(window, conditioning) for window in windows]
    clip = sample(transformer, pairs, Prompts(text, text), noise, settings, _mute)
    alone = [
        sample(
            transformer, [(Window(0, 5), conditioning)], Prompts(text, text),
            noise[:, :, window.latents], settings, _mute,
        )
        for window in windows
    ]  # fmt: skip
    torch.testing.assert_close(clip[:, :, :2], alone[0][:, :, :2])  # only the first window's
    torch.testing.assert_close(clip[:, :, 7:], alone[-1][:, :, -2:])  # only the last one's


def _mute(done, total, predicted):
    return None
