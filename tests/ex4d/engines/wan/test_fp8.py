"""Matrix products in fp8, against slow twins and the public code's golden tensors."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pytest
import torch

from ex4d.engines.base import PRECISIONS, GenerateSettings
from ex4d.engines.wan import fused
from ex4d.engines.wan.fp8 import (
    FP8,
    Rows,
    block_bytes,
    check_card,
    multiply,
    round_blocks,
    round_rows,
)
from ex4d.engines.wan.golden import compare_with_golden
from ex4d.engines.wan.memory import MemoryPlan
from ex4d.errors import UsageError
from protocol.messages.jobs import EngineSettings
from tests.reference import wan_block, wan_fp8

from . import tiny

CPU = torch.device("cpu")
GPU = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
    ],
)
DEVICES = pytest.mark.parametrize("device", ["cpu", GPU])
TIERS = PRECISIONS[1:]
# Of the golden latents after 25 steps, relative; docs/diffusion.md says what was measured.
MOST = {"fp8-ffn": 0.015, "fp8": 0.02, "fp8-all": 0.04}


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def error(ours, twin):
    return float((ours.cpu().double() - twin).norm() / twin.norm())


def exact(rows):
    return rows.values.cpu().double() * rows.scales.cpu().double()[:, None]


@DEVICES
@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("shape", [(1, 16), (5, 48), (3, 13824)])
def test_each_row_is_rounded_by_a_scale_of_its_own(device, gelu, shape):
    values = draw(*shape) * torch.logspace(-3, 3, shape[0])[:, None]
    rows = fused.round_rows(values.to(device), gelu=gelu)
    assert (rows.values.dtype, rows.values.shape, rows.scales.shape) == (FP8, shape, shape[:1])
    twin = wan_fp8.rounded(wan_fp8.gelu(values) if gelu else values)
    assert error(exact(rows), twin) < 5e-3  # ties of float32 may fall to the other side
    assert error(exact(rows), wan_fp8.gelu(values) if gelu else values.double()) < 0.04


def test_a_row_of_zeros_stays_zero():
    assert exact(round_rows(torch.zeros(2, 16))).eq(0).all()


@DEVICES
@pytest.mark.parametrize("with_update", [False, True])
def test_norm_and_rounding_in_one_step(device, with_update):
    tokens, (gate, scale, shift) = draw(7, 96) + 3, draw(3, 96, seed=1)
    update = draw(7, 96, seed=2) if with_update else None
    gate = gate if with_update else None
    given = (tokens, update, gate, scale, shift)
    sums, rows = fused.add_and_normalise(
        *(x if x is None else x.to(device) for x in given), eps=1e-6, dtype=FP8
    )
    twin_sums, normed = wan_block.add_and_normalise(*given, 1e-6)
    assert error(sums, twin_sums) < 1e-6
    assert error(exact(rows), wan_fp8.rounded(normed)) < 5e-3


@DEVICES
def test_a_product_is_that_of_the_rounded_numbers(device):
    values, weight, bias = draw(24, 64), draw(48, 64, seed=1), draw(48, seed=2)
    rows = [round_rows(x.to(device)) for x in (values, weight)]
    made = multiply(Rows(*rows[0]), Rows(*rows[1]), bias.to(device, torch.bfloat16))
    twin = wan_fp8.product(values, weight, bias.bfloat16())
    assert error(made, twin) < 1e-2
    assert made.dtype == torch.bfloat16


@pytest.mark.parametrize(("tier", "n_layers"), list(zip(TIERS, (2, 6, 8), strict=True)))
def test_a_tier_rounds_its_own_layers_and_leaves_the_others(tier, n_layers):
    block = tiny.make_transformer().blocks[0]
    before = {name: p.clone() for name, p in block.named_parameters()}
    round_blocks([block], tier, CPU)
    shapes = {name: tuple(p.shape) for name, p in before.items()}
    held = sum(p.numel() * p.element_size() for p in block.parameters())
    assert block_bytes(shapes, tier, 4) == held
    rounded = [n for n, p in block.named_parameters() if p.dtype == FP8]
    assert len(rounded) == n_layers
    for name, parameter in before.items():
        if name not in rounded:
            torch.testing.assert_close(block.get_parameter(name), parameter, rtol=0, atol=0)


@pytest.mark.parametrize("tier", TIERS)
def test_each_tier_holds_the_golden_latents_at_its_own_tolerance(golden, tier):
    errors = compare_with_golden(golden, precision=tier)
    print(f"\n{golden.stem}, {tier}: {errors}")
    assert 1e-3 < errors.latents < MOST[tier]


@pytest.mark.parametrize("plan", [MemoryPlan(n_resident=1), MemoryPlan(0, storage="fp8")])
def test_streamed_blocks_give_the_same(golden, plan):
    whole = compare_with_golden(golden, precision="fp8-all")
    streamed = compare_with_golden(golden, precision="fp8-all", plan=plan)
    allowed = 1e-6 if plan.storage == "full" else 0.05  # the other layers are rounded too
    assert abs(streamed.latents - whole.latents) < allowed


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("tier", TIERS)
def test_each_tier_holds_the_golden_latents_on_a_gpu(golden, tier):
    errors = compare_with_golden(golden, "cuda", precision=tier)
    print(f"\n{golden.stem}, {tier}: {errors}")
    assert errors.latents < MOST[tier]


def test_a_tier_wants_a_card_that_multiplies_fp8():
    check_card("bf16", CPU)
    with pytest.raises(UsageError, match=r"precision fp8 cannot run here: there is no GPU"):
        check_card("fp8", CPU)


def test_a_change_beside_the_weights_and_a_tier_do_not_go_together(golden):
    with pytest.raises(UsageError, match="is unfused, which is for bf16 alone"):
        compare_with_golden(golden, lora="unfused", precision="fp8")


def test_the_protocol_knows_the_same_precisions():
    assert get_args(get_type_hints(EngineSettings)["precision"]) == PRECISIONS


def test_an_unknown_precision_is_refused():
    with pytest.raises(UsageError, match=r"no precision fp4: choose from bf16, fp8-ffn, fp8"):
        GenerateSettings(precision="fp4")
