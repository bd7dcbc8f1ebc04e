"""Steps that cost less: without the negative branch, or not computed at all."""

from __future__ import annotations

import pytest
import torch

from ex4d.engines.base import GenerateSettings
from ex4d.engines.wan.load import place_transformer
from ex4d.engines.wan.memory import MemoryPlan
from ex4d.engines.wan.sampling import Prompts, noise_levels, sample
from ex4d.engines.wan.windows import Window
from ex4d.errors import UsageError
from tests.reference.wan_sampling import sample_with_cache

from . import tiny
from .conftest import Recorder, make_conditions
from .test_transformer import CPU, conditioning_of, inputs

N_STEPS = 10


class Counted:
    """The tiny transformer, which counts the branches of each of its evaluations."""

    def __init__(self):
        self.inner = place_transformer(tiny.make_transformer().eval(), CPU, MemoryPlan(1))
        self.given = inputs()
        self.conditioning = conditioning_of(self.inner, self.given)
        context = self.given["context"]
        self.prompts = Prompts(self.inner.embed_text(context), self.inner.embed_text(context[:3]))
        self.branches = []
        self.embed_times = self.inner.embed_times

    def velocities(self, latents, time, texts, conditioning, kept=None):
        self.branches.append(len(texts))
        return self.inner.velocities(latents, time, texts, conditioning, kept)

    def sample(self, report=lambda *_: None, n_steps=N_STEPS, **settings):
        self.branches = []
        settings = GenerateSettings(num_inference_steps=n_steps, **settings)
        windows = [(Window(0, 3), self.conditioning)]
        return sample(self, windows, self.prompts, self.given["latents"], settings, report)


@pytest.fixture(scope="module")
def model():
    return Counted()


@pytest.mark.parametrize(
    ("until", "n_guided"), [(0, 0), (0.04, 0), (0.06, 1), (0.5, 5), (0.64, 6), (0.96, 10), (1, 10)]
)
def test_the_share_of_guided_steps_is_to_the_nearest_step(model, until, n_guided):
    model.sample(guidance_until=until)
    assert model.branches == [2] * n_guided + [1] * (N_STEPS - n_guided)


def test_steps_after_the_guided_ones_follow_the_positive_prompt_alone(model):
    """Against the two ways one after the other: guided from noise, then on without guidance."""
    latents, levels = model.given["latents"], [*noise_levels(N_STEPS, 5.0), 0.0]
    times = model.embed_times(1000 * torch.tensor(levels[:-1]))
    texts = [model.prompts.positive, model.prompts.negative]
    for step, time in enumerate(times):
        with torch.no_grad():
            positive, negative = model.velocities(latents, time, texts, model.conditioning)
        guided = negative + 5.0 * (positive - negative)
        velocity = guided if step < 6 else positive
        latents = latents + (levels[step + 1] - levels[step]) * velocity
    torch.testing.assert_close(model.sample(guidance_until=0.6), latents)


def test_until_the_end_is_as_ever_and_until_the_beginning_is_no_guidance(model):
    torch.testing.assert_close(model.sample(guidance_until=1), model.sample(), rtol=0, atol=0)
    none = model.sample(guidance_scale=1.0)
    torch.testing.assert_close(model.sample(guidance_until=0), none, rtol=0, atol=0)


def test_without_a_guided_step_the_negative_prompt_is_not_encoded(generate, models):
    generate()
    before = set((models / "prompts").glob("*"))
    generate(guidance_until=0.2, negative_prompt="a prompt that nobody wrote")
    assert set((models / "prompts").glob("*")) == before
    generate(guidance_until=0.8, negative_prompt="a prompt that nobody wrote")
    assert len(set((models / "prompts").glob("*")) - before) == 1


@pytest.mark.parametrize("until", [-0.1, 1.1, float("nan")])
def test_a_share_that_cannot_be_is_refused(until):
    with pytest.raises(UsageError, match="give 0 to 1"):
        GenerateSettings(guidance_until=until)


@pytest.mark.parametrize("strength", [0.15, 0.25, 0.6, 1])
def test_the_step_cache_skips_the_steps_that_the_paper_skips(model, strength):
    levels = [*noise_levels(25, 5.0), torch.zeros(())]
    times = model.embed_times(1000 * torch.stack(levels[:-1]))

    def velocity(latents, step):
        with torch.no_grad():
            args = (times[step], [model.prompts.positive], model.conditioning)
            return model.inner.velocities(latents, *args)[0]

    noise = model.given["latents"]
    expected, evaluated = sample_with_cache(velocity, noise, levels, strength, n_first=5)
    done = []
    made = model.sample(
        lambda number, _, predicted: predicted is None or done.append(len(model.branches)),
        n_steps=25, guidance_scale=1.0, step_cache=strength,
    )  # fmt: skip
    torch.testing.assert_close(made, expected)
    assert [step for step in range(25) if done[step] > (done[step - 1] if step else 0)] == evaluated
    assert len(evaluated) < 25


def test_the_cache_at_strength_0_is_no_cache_and_its_error_grows_as_its_work_shrinks(model):
    full = model.sample(n_steps=25)
    torch.testing.assert_close(model.sample(n_steps=25, step_cache=0), full, rtol=0, atol=0)
    errors, counts = [], []
    for strength in (0, 0.2, 0.3, 0.5, 1):
        made = model.sample(n_steps=25, step_cache=strength)
        errors.append(float((made - full).norm() / full.norm()))
        counts.append(len(model.branches))
        again = model.sample(n_steps=25, step_cache=strength)
        torch.testing.assert_close(again, made, rtol=0, atol=0)
    print("\n", dict(zip(counts, errors, strict=True)))
    assert errors == sorted(errors)
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == 25 > 2 * counts[-1]
    assert errors[0] == 0 < errors[1] < errors[-1] < 0.2


def test_the_cache_and_guidance_that_ends_go_together(model):
    model.sample(n_steps=25, step_cache=0.3, guidance_until=0.4)
    assert set(model.branches) == {1, 2}
    assert model.branches == sorted(model.branches, reverse=True)
    assert len(model.branches) < 25


def test_a_stop_is_heard_at_a_step_that_is_not_evaluated(model):
    heard = []

    def report(done, total, predicted):
        heard.append(len(model.branches))
        if len(heard) > 2 and heard[-1] == heard[-2]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.sample(report, n_steps=25, step_cache=0.5)
    assert len(heard) < 25


def test_a_long_clip_is_cached_window_by_window_with_the_progress_of_any(generate):
    watcher, long = Recorder(), make_conditions(61, (32, 32))
    settings = {"num_inference_steps": 8, "guidance_scale": 1.0}
    cached = generate(long, watcher=watcher, step_cache=1.0, **settings)
    denoise = [(done, total) for stage, done, total in watcher.stages if stage == "denoise"]
    assert denoise == [(done, 16) for done in range(17)]
    full = generate(long, **settings).astype(int)
    assert 0 < abs(cached - full).mean() < 10


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_a_strength_that_cannot_be_is_refused(strength):
    with pytest.raises(UsageError, match="give 0 to 1"):
        GenerateSettings(step_cache=strength)
