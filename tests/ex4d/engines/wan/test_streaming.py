"""Blocks that come and go, packed or in fp8, and the plans for them."""

from __future__ import annotations

import pytest
import torch

from ex4d.engines.wan.memory import (
    PROFILES_GIB,
    plan_memory,
    profile_for,
    what_would_fit,
)
from ex4d.engines.wan.streaming import BlockStream, pack, unpack
from ex4d.errors import UsageError

CPU = torch.device("cpu")
GIB = 1 << 30


def blocks(count=5):
    torch.manual_seed(0)
    layers = [torch.nn.Sequential(torch.nn.Linear(24, 40), torch.nn.LayerNorm(40)).eval()
              for _ in range(count)]  # fmt: skip
    return torch.nn.ModuleList(layers).requires_grad_(False)


@pytest.mark.parametrize("n_resident", range(6))
@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_block_comes_in_order_with_its_own_weights(n_resident, count):
    expected = [block(torch.ones(1, 24)) for block in blocks(count)]
    stream = BlockStream(blocks(count), device=CPU, n_resident=n_resident)
    assert stream.n_resident == min(n_resident, count)
    for _ in range(3):
        ours = [block(torch.ones(1, 24)) for block in stream]
        for one, other in zip(ours, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize("stop_at", range(5))
def test_after_a_stop_in_the_middle_the_next_pass_is_whole(stop_at):
    expected = [block(torch.ones(1, 24)) for block in blocks()]
    stream = BlockStream(blocks(), device=CPU, n_resident=1)
    for number, _ in enumerate(stream):
        if number == stop_at:
            break
    ours = [block(torch.ones(1, 24)) for block in stream]
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_block_that_is_not_running_takes_no_memory():
    module = blocks()
    stream = BlockStream(module, device=CPU, n_resident=2)
    list(stream)
    held = [sum(p.numel() for p in block.parameters()) for block in module]
    assert sorted(held) == [0, 0, 0, 1080, 1080]


@pytest.mark.parametrize("n_resident", [0, 2])
def test_blocks_may_be_asked_for_in_any_order_and_autograd_sees_a_place_used_again(n_resident):
    expected, module = blocks(), blocks()
    stream = BlockStream(module, device=CPU, n_resident=n_resident)
    assert len(stream.from_host) == 5 - n_resident
    order = [*stream.from_host, *reversed(stream.from_host), *stream.from_host[::2]]
    for number, following in zip(order, [*order[1:], order[0]], strict=True):
        for name, tensor in stream.weights(number, following).items():
            value = expected[number].get_parameter(name)
            torch.testing.assert_close(tensor, value, rtol=0, atol=0)
    first, second, third = stream.from_host[:3]
    given = torch.ones(1, 24, requires_grad=True)
    weights = stream.weights(first, second)
    output = torch.func.functional_call(module[first], weights, given).sum()
    stream.weights(second, third)  # in the place of the first
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.backward()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_fp8_keeps_three_bits_of_every_weight_and_all_of_the_rest(dtype):
    block = blocks(1)[0].to(dtype)
    with torch.no_grad():
        block[0].weight[3] *= 1e-4  # rows of any size keep their precision
    data, pieces = pack(block, "fp8")
    unpacked = unpack(data, pieces)
    weight = block[0].weight
    error = (unpacked["0.weight"] - weight).abs().amax(1) / weight.abs().amax(1)
    assert 0 < error.max() <= 1 / 16
    assert unpacked["0.weight"].dtype == dtype
    for name in ("0.bias", "1.weight", "1.bias"):
        torch.testing.assert_close(unpacked[name], block.get_parameter(name), rtol=0, atol=0)
    whole, _ = pack(block, "full")
    assert data.numel() < whole.numel()


BLOCK_BYTES, N_BLOCKS, WIDTH = 769 << 20, 40, 5120  # of Wan2.1-I2V-14B in bfloat16


def test_plans_fit_their_profile():
    plans = {gib: plan_memory(gib, N_BLOCKS, BLOCK_BYTES, WIDTH) for gib in PROFILES_GIB}
    assert plans[80].keeps_encoders
    assert plans[80].n_resident == plans[48].n_resident == N_BLOCKS
    assert plans[24].storage == "full"
    assert plans[16].storage == "fp8"
    assert plans[16].tile_px == 256
    for gib, share in ((24, 1), (16, 2)):
        resident = plans[gib].n_resident
        assert 5 < resident < N_BLOCKS
        assert (resident + 2) * BLOCK_BYTES / share < (gib - 5) * GIB
    assert "streamed" in plans[24].describe(N_BLOCKS)
    assert plans[80].describe(N_BLOCKS) == "all blocks on the GPU"


def test_a_profile_is_chosen_by_what_is_free():
    free = {141: 80, 79: 80, 70: 48, 44: 48, 23: 24, 20: 16, 4: 16}
    assert {gib: profile_for(gib * GIB) for gib in free} == free
    with pytest.raises(UsageError, match="80, 48, 24, 16"):
        plan_memory(32, N_BLOCKS, BLOCK_BYTES, WIDTH)


def test_what_would_fit_is_less_than_what_did_not():
    assert what_would_fit(2 * GIB, 49, (512, 512)) == "29 frames, or 400x400 pixels, would fit"
    assert what_would_fit(0, 49, (512, 512)) == "21 frames, or 352x352 pixels, would fit"
    assert what_would_fit(9 * GIB, 200, (512, 512)) == "37 frames, or 448x448 pixels, would fit"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("n_resident", [0, 3, 9])
@pytest.mark.parametrize("storage", ["full", "fp8"])
def test_copies_that_overlap_with_computing_never_change_a_result(n_resident, storage):
    """Blocks of 128 MB that compute for longer than they are copied, and the other way round."""
    device, width = torch.device("cuda"), 8192

    def make():
        torch.manual_seed(0)
        layers = [torch.nn.Linear(width, width, bias=False) for _ in range(10)]
        return torch.nn.ModuleList(layers).to(torch.bfloat16).requires_grad_(False)

    def through(stream, rows):
        x = torch.ones(rows, width, dtype=torch.bfloat16, device=device)
        for block in stream:
            x = torch.nn.functional.normalize(block(x))
        return x

    every = BlockStream(make(), device=device, n_resident=10, storage=storage)
    stream = BlockStream(make(), device=device, n_resident=n_resident, storage=storage)
    for rows in (16, 8192, 16, 8192):
        for number, _ in enumerate(stream):  # a cancel in the middle
            if number == rows % 7:
                break
        torch.testing.assert_close(through(stream, rows), through(every, rows), rtol=0, atol=0)
