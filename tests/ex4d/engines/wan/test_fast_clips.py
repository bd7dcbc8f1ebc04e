"""Whole clips with the step-distilled LoRA, in turns with clips without it."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.torch import save_file

from ex4d.engines.base import WITH_STEPS_LORA, EngineOptions, GenerateSettings, Watcher
from ex4d.engines.choose import choose_engine
from ex4d.errors import MissingPartError, UsageError

from . import tiny
from .conftest import FAST, Recorder, make_conditions

SETTINGS = {"num_inference_steps": 4, "guidance_scale": 1.0, "steps_lora": True}


@pytest.fixture(scope="module")
def lora_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("lora") / "steps.safetensors"
    save_file(tiny.make_steps_lora(), path)
    return path


@pytest.fixture(scope="module")
def fast(models, lora_file):
    """A function that makes a clip with an engine that has the LoRA."""
    engines = {}

    def run(vram=80, watcher=None, seed=0, conditions=None, **changes):
        if vram not in engines:
            options = EngineOptions(models, vram, steps_lora=lora_file)
            engines[vram] = choose_engine("wan", options)[0]
        settings = {"prompt": FAST.prompt, "negative_prompt": FAST.negative_prompt, **changes}
        return engines[vram].generate(
            conditions or make_conditions(),
            seed=seed,
            settings=GenerateSettings(**settings),
            watcher=watcher or Watcher(),
        )

    return run


@pytest.mark.parametrize("vram", [80, 48, 24, 16])
def test_with_and_without_it_in_turns_one_engine_makes_the_same_clips(fast, generate, vram):
    watcher = Recorder()
    first = fast(vram, watcher, **SETTINGS)
    assert [x for x in watcher.stages if x[0] == "denoise"][-1] == ("denoise", 4, 4)
    plain = generate(vram=vram, num_inference_steps=4, guidance_scale=1.0)
    final = fast(vram, num_inference_steps=4, guidance_scale=1.0)
    np.testing.assert_array_equal(final, plain)  # of an engine that never saw the LoRA
    np.testing.assert_array_equal(fast(vram, **SETTINGS), first)
    assert np.abs(first.astype(int) - final).mean() > 1


def test_every_profile_makes_the_same_clip_with_it_and_fp8_nearly(fast):
    full = fast(80, **SETTINGS)
    for vram in (48, 24):
        np.testing.assert_array_equal(fast(vram, **SETTINGS), full)
    assert 0 < np.abs(fast(16, **SETTINGS).astype(int) - full).mean() < 3


@pytest.mark.parametrize("vram", [80, 24, 16])
def test_a_stop_on_the_way_leaves_the_weights_as_they_were(fast, vram):
    final = fast(vram, num_inference_steps=2)
    with pytest.raises(KeyboardInterrupt):
        fast(vram, Recorder(("denoise", 2)), **SETTINGS)
    np.testing.assert_array_equal(fast(vram, num_inference_steps=2), final)


def test_a_clip_is_steered_by_its_geometry_with_it_too(fast):
    whole, holed = make_conditions(hole=np.s_[:0]), make_conditions()
    one, other = (fast(conditions=given, **SETTINGS) for given in (whole, holed))
    assert (one != other).any()


def test_without_the_file_it_cannot_be_asked_for(generate):
    with pytest.raises(MissingPartError, match="no step-distilled LoRA here: ex4d download steps-"):
        generate(**SETTINGS)


def test_guidance_is_in_it_already():
    assert (WITH_STEPS_LORA.num_inference_steps, WITH_STEPS_LORA.guided_steps) == (4, 0)
    with pytest.raises(
        UsageError, match=r"the guidance scale is 5\.0: with the step-distilled LoRA"
    ):
        GenerateSettings(steps_lora=True)
