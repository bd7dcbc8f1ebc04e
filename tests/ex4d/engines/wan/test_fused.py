"""The steps between a block's matrix products, in PyTorch and as kernels, against slow twins."""

from __future__ import annotations

import pytest
import torch

from ex4d.engines.wan import fused
from ex4d.engines.wan.cross_keys import KeysAndValues
from ex4d.engines.wan.rotation import rotation_of
from tests.reference import wan_block

EPS = 1e-6
GPU = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
    ],
)
DEVICES = pytest.mark.parametrize("device", ["cpu", GPU])
DTYPES = pytest.mark.parametrize(
    ("dtype", "most"), [(torch.float32, 2e-6), (torch.bfloat16, 4e-3)]
)  # bfloat16 rounds to 1 in 256
SIZES = pytest.mark.parametrize(
    ("grid", "head", "heads"), [((1, 1, 1), 32, 1), ((2, 3, 1), 32, 5), ((3, 5, 9), 128, 3)]
)


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def error(ours, twin):
    return float((ours.cpu().double() - twin).norm() / twin.norm())


@DEVICES
@DTYPES
@SIZES
@pytest.mark.parametrize("parts", ["tokens", "update", "update and gate"])
def test_sum_and_norm(device, dtype, most, grid, head, heads, parts):
    n, width = grid[0] * grid[1] * grid[2], head * heads
    tokens, (gate, scale, shift) = draw(n, width) + 3, draw(3, width, seed=1)
    update = draw(n, width, seed=2).to(dtype) if "update" in parts else None
    gate = gate if "gate" in parts else None
    given = (tokens, update, gate, scale, shift)
    ours = fused.add_and_normalise(
        *(x if x is None else x.to(device) for x in given), eps=EPS, dtype=dtype
    )
    sums, normed = wan_block.add_and_normalise(*given, EPS)
    assert [x.dtype for x in ours] == [torch.float32, dtype]
    assert error(ours[0], sums) < 1e-6
    assert error(ours[1], normed) < most


@DEVICES
@DTYPES
@SIZES
def test_norm_and_rotation(device, dtype, most, grid, head, heads):
    n, width = grid[0] * grid[1] * grid[2], head * heads
    values, weight = draw(n, width).to(dtype), draw(width, seed=1).to(dtype)
    rotation = rotation_of(grid, head, torch.device(device))
    ours = fused.normalise_and_rotate(values.to(device), weight.to(device), rotation, EPS)
    twin = wan_block.normalise_and_rotate(values, weight, grid, head, EPS)
    assert ours.dtype == dtype
    assert error(ours, twin) < most


@DEVICES
@DTYPES
@pytest.mark.parametrize("n_texts", [1, 7, 64, 70])
@pytest.mark.parametrize("last_counts", [1, 30])
@SIZES
def test_attention_to_a_text_and_an_image(
    device, dtype, most, n_texts, last_counts, grid, head, heads
):
    n, width, n_images = grid[0] * grid[1] * grid[2], head * heads, 65
    queries, weight = draw(n, width).to(dtype), draw(width, seed=1).to(dtype)
    text_keys, text_values = draw(2, n_texts, width, seed=2).to(dtype)
    image_keys, image_values = draw(2, n_images, width, seed=3).to(dtype)
    to = torch.device(device)
    ours = fused.attend_to_context(
        queries.to(to),
        weight.to(to),
        KeysAndValues(text_keys.to(to), text_values.to(to), last_counts),
        KeysAndValues(image_keys.to(to), image_values.to(to)),
        head_width=head,
        eps=EPS,
    )
    normed = wan_block.normalise(queries, weight, EPS).to(dtype)
    counts = torch.tensor([1] * (n_texts - 1) + [last_counts])
    text = [x.repeat_interleave(counts, dim=0) for x in (text_keys, text_values)]
    twin = wan_block.attend(normed, *text, head)
    twin += wan_block.attend(normed, image_keys, image_values, head)
    assert error(ours, twin) < 2 * most


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_gradients_through_kernels_equal_those_of_pytorch(monkeypatch):
    width, grid = 256, (2, 3, 4)
    device = torch.device("cuda")
    rotation = rotation_of(grid, 128, device)

    def gradients():
        tokens, update, values = (
            draw(24, width, seed=n).to(device).requires_grad_() for n in range(3)
        )
        gate, scale, shift = draw(3, width, seed=4).to(device)
        half = update.bfloat16()
        sums, normed = fused.add_and_normalise(
            tokens, half, gate, scale, shift, eps=EPS, dtype=torch.bfloat16
        )
        rotated = fused.normalise_and_rotate(values.bfloat16() + normed, scale, rotation, EPS)
        (sums.sin().sum() + rotated.float().cos().sum()).backward()
        return [x.grad for x in (tokens, update, values)]

    with_kernels = gradients()
    monkeypatch.setattr(fused, "_triton_kernels", lambda: None)
    for ours, plain in zip(with_kernels, gradients(), strict=True):
        assert float((ours - plain).norm() / plain.norm()) < 1e-2
