"""What lies between the VAE's convolutions, and these, in PyTorch and as kernels, against slow
twins."""

from __future__ import annotations

import pytest
import torch

from ex4d.engines.wan.vae.steps import Stream, activate, convolve, settled
from tests.reference import wan_vae

GPU = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
    ],
)
DEVICES = pytest.mark.parametrize("device", ["cpu", GPU])
DTYPES = pytest.mark.parametrize(
    ("dtype", "most"), [(torch.float32, 2e-6), (torch.bfloat16, 6e-3)]
)  # bfloat16 rounds to 1 in 256
SHAPES = pytest.mark.parametrize("shape", [(1, 1, 2, 3, 8), (2, 4, 3, 5, 96), (3, 2, 1, 1, 33)])


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def error(ours, twin):
    return float((ours.cpu().double() - twin).norm() / twin.norm())


@DEVICES
@DTYPES
@SHAPES
@pytest.mark.parametrize("parts", ["skip", "update", "skip and update"])
@pytest.mark.parametrize("keeps_sum", [True, False])
def test_sum_norm_and_frames_before(device, dtype, most, shape, parts, keeps_sum):
    skip = draw(*shape).to(dtype) if "skip" in parts else None
    update = draw(*shape, seed=1).to(dtype) if "update" in parts else None
    bias, gamma = draw(2, shape[-1], seed=2).to(dtype)
    before = draw(shape[0], 2, *shape[2:], seed=3).to(dtype)
    total = torch.zeros(shape, dtype=torch.float64)
    total += 0 if skip is None else skip.double()
    total += 0 if update is None else update.double() + bias.double()
    twin = wan_vae.activate(total, gamma, before)
    there = [x if x is None else x.to(device) for x in (skip, update, bias, gamma, before)]
    stream = Stream(there[0], there[1], None if update is None else there[2])
    sums, joined = activate(stream, there[3], there[4], keeps_sum=keeps_sum)
    assert joined.dtype == dtype
    assert error(joined, twin) < most
    torch.testing.assert_close(there[4], joined[:, -2:], rtol=0, atol=0)  # moved on
    if keeps_sum:
        assert error(sums, total) < most
    else:
        assert sums is None


@DEVICES
@DTYPES
@SHAPES
@pytest.mark.parametrize("rim", [0, 1])
def test_a_sum_may_have_zeros_below_and_to_the_right(device, dtype, most, shape, rim):
    skip, update = draw(*shape).to(dtype), draw(*shape, seed=1).to(dtype)
    bias = draw(shape[-1], seed=2).to(dtype)
    stream = Stream(*(x.to(device) for x in (skip, update, bias)))
    twin = skip.double() + update.double() + bias.double()
    ours = settled(stream, rim=rim).cpu()
    height, width = shape[2:4]
    assert ours.shape == (*shape[:2], height + rim, width + rim, shape[-1])
    assert error(ours[:, :, :height, :width], twin) < most
    assert ours[:, :, height:].eq(0).all()
    assert ours[:, :, :, width:].eq(0).all()
    alone = settled(Stream(skip), rim=rim)
    torch.testing.assert_close(alone[:, :, :height, :width], skip, rtol=0, atol=0)


@DEVICES
@DTYPES
@pytest.mark.parametrize(("n_in", "n_out"), [(3, 96), (96, 96), (96, 3), (64, 128), (8, 8)])
@pytest.mark.parametrize("size", [(1, 3, 4), (4, 2, 5), (1, 1, 257)])
def test_a_convolution_sees_two_frames_before_and_none_after(
    device, dtype, most, n_in, n_out, size
):
    n_frames, height, width = size
    joined = draw(2, 2 + n_frames, height, width, n_in).to(dtype)
    weight = draw(n_out, n_in, 3, 3, 3, seed=1).to(dtype)
    in_use = weight.to(device).contiguous(memory_format=torch.channels_last_3d)
    ours = convolve(joined.to(device), in_use)
    if device == "cuda" and dtype is torch.float32:
        most = 2e-3  # TF32
    assert error(ours, wan_vae.convolve(joined, weight)) < most
