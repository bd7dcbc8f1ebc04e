"""This engine against tensors that the public code computed."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from ex4d.engines.wan.golden import bundled_golden, compare_with_golden
from ex4d.engines.wan.memory import MemoryPlan
from ex4d.engines.wan.recipe import Recipe
from tests.data.make_golden_wan import FACTS, make_golden
from tests.reference.wan import write_golden


def test_latents_equal_the_public_codes_in_fp32(golden):
    errors = compare_with_golden(golden)
    print(f"\n{golden.stem}: {errors}")
    assert errors.timesteps < 1e-3
    assert errors.geometry < 1e-3  # the golden one was computed in TF32
    assert errors.first_prediction < 1e-4
    assert errors.latents < 1e-4


def test_streamed_blocks_and_a_change_beside_the_weights_give_the_same(golden):
    errors = compare_with_golden(golden, lora="unfused", plan=MemoryPlan(n_resident=0))
    print(f"\n{golden.stem}: {errors}")
    assert errors.latents < 1e-4


@pytest.mark.parametrize("lora", ["fused", "unfused"])
def test_latents_of_another_size_equal_the_plain_way_through_diffsynth(tmp_path, lora):
    path = write_golden(tmp_path / "wan_other.safetensors")
    errors = compare_with_golden(path, lora=lora, plan=MemoryPlan(n_resident=2))
    print(f"\n{lora}: {errors}")
    assert (errors.timesteps, errors.geometry) == (0, 0)
    assert errors.first_prediction < 1e-6
    assert errors.latents < 2e-6


def test_the_golden_that_comes_along_holds_outputs_alone_and_is_met():
    errors = compare_with_golden(bundled_golden())
    assert bundled_golden().stat().st_size < 1 << 17
    assert (errors.timesteps, errors.geometry) == (0, 0)
    assert errors.first_prediction < 1e-5
    assert errors.latents < 1e-5


def test_the_public_classes_still_compute_what_is_in_it(tmp_path):
    made = load_file(make_golden(tmp_path / "golden.safetensors"))
    kept = load_file(bundled_golden())
    assert made.keys() == kept.keys()
    for name, tensor in kept.items():
        torch.testing.assert_close(made[name], tensor, rtol=1e-5, atol=1e-5)


def test_weights_of_a_recipe_are_the_same_everywhere():
    facts = {name: str(value) for name, value in FACTS.items()}
    weights = Recipe.of(facts).weights()
    weight = weights["blocks.0.self_attn.q.weight"].load()
    assert weight[0, :3].tolist() == pytest.approx([-0.07208107, 0.03065649, 0.10274436], abs=1e-7)
    assert float(weight.std()) == pytest.approx(1 / 16, 0.02)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_the_golden_that_comes_along_is_met_in_bf16():
    errors = compare_with_golden(bundled_golden(), "cuda")
    print(f"\n{errors}")
    assert errors.geometry < 1e-2
    assert errors.latents < 1e-2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("lora", ["fused", "unfused"])
@pytest.mark.parametrize("n_resident", [0, 1, 99])
def test_latents_equal_the_public_codes_in_bf16(golden, lora, n_resident):
    errors = compare_with_golden(golden, "cuda", lora=lora, plan=MemoryPlan(n_resident))
    print(f"\n{golden.stem}, {lora}, {n_resident} blocks resident: {errors}")
    assert errors.geometry < 1e-2
    assert errors.latents < 1e-2
