"""The whole engine on tiny models, in memory."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch

from ex4d.conditions.render import Conditions
from ex4d.engines.base import EngineOptions, GenerateSettings
from ex4d.engines.choose import choose_engine
from ex4d.errors import InputError, MissingPartError, TooLargeError, UsageError

from . import tiny
from .conftest import FAST, Recorder, make_conditions


def test_every_profile_makes_the_same_clip_and_fp8_nearly(generate):
    full = generate(vram=80)
    for vram in (48, 24):
        np.testing.assert_array_equal(generate(vram=vram), full)
    small = generate(vram=16)
    assert 0 < np.abs(small.astype(int) - full).mean() < 3


def test_a_change_beside_the_weights_makes_nearly_the_same_clip(generate):
    np.testing.assert_allclose(generate(lora="unfused").astype(int), generate(), atol=1)
    np.testing.assert_array_equal(generate(lora="unfused", vram=24), generate(lora="unfused"))


def test_the_seed_alone_decides(generate):
    first = generate(seed=1)
    np.testing.assert_array_equal(generate(seed=1), first)
    assert np.abs(generate(seed=2).astype(int) - first).mean() > 1


@pytest.mark.parametrize("name", ["guidance_scale", "shift", "prompt", "negative_prompt"])
def test_every_setting_has_an_effect(generate, name):
    other = {"guidance_scale": 2.0, "shift": 2.0}.get(name, "a static room")
    assert (generate(**{name: other}) != generate()).any()


def test_an_encoder_of_zeros_is_no_encoder_and_a_trained_one_steers(tmp_path, generate):
    """At its start, training changes nothing: the conditions' hole has no effect then."""
    models = tiny.write_models(tmp_path / "untrained", tiny.make_checkpoint(strength=0))
    engine = choose_engine("wan", EngineOptions(models, 80))[0]
    whole, holed = make_conditions(hole=np.s_[:0]), make_conditions()
    assert (whole.color[0] == holed.color[0]).all()

    def untrained(conditions):
        return engine.generate(conditions, seed=0, settings=FAST, watcher=Recorder())

    np.testing.assert_array_equal(untrained(whole), untrained(holed))
    assert (generate(whole) != generate(holed)).any()


@pytest.mark.parametrize(("n_frames", "size"), [(1, (32, 32)), (6, (50, 36)), (9, (33, 47))])
def test_any_length_and_size_comes_back_as_it_was(generate, n_frames, size):
    frames = generate(make_conditions(n_frames, size))
    assert frames.shape == (n_frames, *(2 * round(side / 2) for side in size[::-1]), 3)


def test_the_size_that_is_asked_for_is_made(generate):
    assert generate(size=(64, 48)).shape == (9, 48, 64, 3)


def test_progress_tells_every_stage_and_previews_follow_the_steps(generate):
    watcher = Recorder()
    generate(watcher=watcher, num_inference_steps=4)
    stages = list(dict.fromkeys(stage for stage, _, _ in watcher.stages))
    assert [stage for stage in stages if stage != "load"] == ["text", "encode", "denoise", "decode"]
    denoise = [(done, total) for stage, done, total in watcher.stages if stage == "denoise"]
    assert denoise == [(done, 4) for done in range(5)]
    assert [picture.shape for picture in watcher.pictures] == [(3, 4, 6, 3)] * 4
    for stage in stages:
        done = [d for s, d, _ in watcher.stages if s == stage]
        assert done == sorted(done)


@pytest.mark.parametrize("stop_at", [("encode", 2), ("denoise", 1), ("decode", 1)])
@pytest.mark.parametrize("vram", [80, 24, 16])
def test_a_stop_is_heard_within_one_step_and_the_next_clip_is_as_ever(generate, stop_at, vram):
    expected = generate(vram=vram)
    watcher = Recorder(stop_at)
    with pytest.raises(KeyboardInterrupt):
        generate(vram=vram, watcher=watcher)
    assert watcher.stages[-1][:2] == stop_at
    np.testing.assert_array_equal(generate(vram=vram), expected)


def test_out_of_memory_says_what_would_fit(generate):
    class Full(Recorder):
        def progress(self, stage, done, total):
            if stage == "denoise":
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB. More")

    with pytest.raises(TooLargeError) as raised:
        generate(make_conditions(49, (64, 48)), watcher=Full())
    text = str(raised.value)
    assert "49 frames of 64x48 do not fit" in text
    assert "denoise: CUDA out of memory" in text
    assert text.endswith("would fit: choose that, or a smaller --vram")
    assert raised.value.reason.endswith("would fit")
    assert raised.value.code == "out_of_memory"
    gc.collect()
    assert generate().shape == (9, 32, 48, 3)


def test_a_mask_that_shows_nothing_is_refused(generate):
    nothing = Conditions(np.zeros((5, 32, 32, 3), np.uint8), np.zeros((5, 32, 32), bool))
    with pytest.raises(InputError, match="shows nothing"):
        generate(nothing)


def test_an_engine_without_weights_says_which_file_is_missing(tmp_path):
    options = EngineOptions(tmp_path)
    with pytest.raises(MissingPartError, match=r"diffusion_pytorch_model-00001-of-00007\.saf"):
        choose_engine("wan", options)
    engine, reason = choose_engine("auto", options)
    assert engine.name == "preview"
    assert "11 more" in reason
    assert "ex4d download" in reason


@pytest.mark.parametrize(
    "wrong",
    [{"num_inference_steps": 0}, {"guidance_scale": float("nan")}, {"shift": 0}, {"size": (8, 8)}],
)
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(UsageError):
        GenerateSettings(**wrong)


def test_loading_can_be_stopped_and_begins_anew(models):
    engine = choose_engine("wan", EngineOptions(models))[0]
    watcher = Recorder(("load", 7))
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            engine.generate(make_conditions(), seed=0, settings=FAST, watcher=watcher)
    assert watcher.stages[-1][:2] == ("load", 7)
    done = Recorder()
    engine.generate(make_conditions(), seed=0, settings=FAST, watcher=done)
    loading = [done for stage, done, _ in done.stages if stage == "load"]
    assert loading == list(range(len(loading)))
