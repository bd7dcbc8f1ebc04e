"""The steps between a block's matrix products, in PyTorch and as kernels, against slow twins."""

from __future__ import annotations

import os
import subprocess
import sys

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
    given = (values.to(device), weight.to(device))
    ours = fused.normalise_and_rotate(*given, rotation, head_width=head, eps=EPS)
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


def gradients_of(tensors, compute):
    """Of what is computed with these tensors, put through a function that has slopes."""
    tensors = [x.detach().clone().requires_grad_() for x in tensors]
    outputs = compute(*tensors)
    sum(x.float().sin().sum() for x in outputs).backward()
    return [x.grad for x in tensors]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@DTYPES
@SIZES
@pytest.mark.parametrize("parts", ["tokens", "update", "update and gate"])
@pytest.mark.parametrize("used", [0, 1, 2])
def test_gradients_of_sum_and_norm(monkeypatch, dtype, most, grid, head, heads, parts, used):
    n, width = grid[0] * grid[1] * grid[2], head * heads
    tokens, update = draw(n, width) + 3, draw(n, width, seed=2).to(dtype)
    gate, scale, shift = draw(3, width, seed=1).cuda()
    given = [tokens.cuda()] + [update.cuda()] * ("update" in parts)

    def compute(tokens, update=None):
        with_gate = gate if "gate" in parts else None
        both = fused.add_and_normalise(
            tokens, update, with_gate, scale, shift, eps=EPS, dtype=dtype
        )
        return (both[:1], both[1:], both)[used]

    ours = gradients_of(given, compute)
    monkeypatch.setattr(fused, "_triton_kernels", lambda: None)
    for one, other in zip(ours, gradients_of(given, compute), strict=True):
        assert one.dtype == other.dtype
        assert float((one - other).norm()) <= 2 * most * float(other.norm()) + 1e-6


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@DTYPES
@SIZES
@pytest.mark.parametrize("rotates", [True, False])
def test_gradients_of_norm_and_rotation(monkeypatch, dtype, most, grid, head, heads, rotates):
    n, width = grid[0] * grid[1] * grid[2], head * heads
    values, weight = draw(n, width).to(dtype).cuda(), draw(width, seed=1).to(dtype).cuda()
    rotation = rotation_of(grid, head, torch.device("cuda")) if rotates else None

    def compute(values):
        turned = fused.normalise_and_rotate(values, weight, rotation, head_width=head, eps=EPS)
        return [turned]

    ours = gradients_of([values], compute)[0]
    monkeypatch.setattr(fused, "_triton_kernels", lambda: None)
    in_torch = gradients_of([values], compute)[0]
    assert float((ours - in_torch).norm() / in_torch.norm()) < 2 * most


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_weight_that_wants_a_gradient_gets_one():
    weight = torch.ones(64, device="cuda", requires_grad=True)
    values = draw(3, 64).cuda()
    rotation = rotation_of((1, 1, 3), 32, torch.device("cuda"))
    rotated = fused.normalise_and_rotate(values, weight, rotation, head_width=32, eps=EPS)
    _, normed = fused.add_and_normalise(
        values, None, None, weight, weight, eps=EPS, dtype=torch.float32
    )
    for output in (rotated, normed):
        assert torch.autograd.grad(output.sum(), weight)[0].abs().max() > 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_without_a_c_compiler_pytorch_computes_and_says_so(tmp_path):
    code = (
        "import torch; from ex4d.engines.wan import fused; x = torch.randn(4, 64, device='cuda'); "
        "y = fused.add_and_normalise(x, None, None, x[0], x[1], eps=1e-6, dtype=x.dtype)[1]; "
        "expected = torch.nn.functional.layer_norm(x, (64,), eps=1e-6) * x[0] + x[1]; "
        "torch.testing.assert_close(y, expected)"
    )
    bare = {"CC": "/no/compiler", "TRITON_CACHE_DIR": str(tmp_path)}  # nothing kept from before
    run = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | bare, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "Triton cannot compile here" in run.stderr
