"""What `plain.py` does, in Triton, and its gradients: one pass over the memory for each step.

A program holds whole tokens in registers, so that a norm needs no second read. The number of warps
was chosen on an H200; see tests/perf/wan_forward.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl

from ex4d.engines.wan.fp8 import FP8, Rows

if TYPE_CHECKING:
    from torch import Tensor

    from ex4d.engines.wan.rotation import Rotation

__all__ = [
    "WARPS",
    "add_and_normalise",
    "add_and_normalise_back",
    "normalise_and_rotate",
    "normalise_and_rotate_back",
]

WARPS = 4


@triton.jit
def _in_fp8(row, row_scales):
    scale = tl.maximum(tl.max(tl.abs(row), 0), 1e-12) / 448.0
    tl.store(row_scales + tl.program_id(0), scale)
    return row / scale


@triton.jit
def _add_and_normalise(
    tokens, update, gate, scale, shift, sums, normed, row_scales, eps,
    WIDTH: tl.constexpr, BLOCK: tl.constexpr, HAS_UPDATE: tl.constexpr, HAS_GATE: tl.constexpr,
    ROUNDS: tl.constexpr,
):  # fmt: skip
    columns = tl.arange(0, BLOCK)
    inside = columns < WIDTH
    places = tl.program_id(0).to(tl.int64) * WIDTH + columns
    x = tl.load(tokens + places, mask=inside, other=0.0)
    if HAS_UPDATE:
        change = tl.load(update + places, mask=inside, other=0.0).to(tl.float32)
        if HAS_GATE:
            change *= tl.load(gate + columns, mask=inside, other=0.0)
        x += change
        tl.store(sums + places, x, mask=inside)
    centred = tl.where(inside, x - tl.sum(x, 0) / WIDTH, 0.0)
    deviation = tl.sum(centred * centred, 0) / WIDTH
    scales = tl.load(scale + columns, mask=inside, other=0.0)
    shifts = tl.load(shift + columns, mask=inside, other=0.0)
    y = centred * tl.rsqrt(deviation + eps) * scales + shifts
    if ROUNDS:
        y = _in_fp8(y, row_scales)
    tl.store(normed + places, y.to(normed.dtype.element_ty), mask=inside)


def add_and_normalise(
    tokens: Tensor,
    update: Tensor | None,
    gate: Tensor | None,
    scale: Tensor,
    shift: Tensor,
    *,
    eps: float,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor | Rows]:
    """As in `plain.py`."""
    width = tokens.shape[1]
    normed = torch.empty_like(tokens, dtype=dtype)
    rounds = dtype == FP8
    row_scales = tokens.new_empty(len(tokens)) if rounds else tokens
    sums = tokens if update is None else torch.empty_like(tokens)
    unused = tokens  # a pointer that the kernel does not follow
    _add_and_normalise[(len(tokens),)](
        tokens, unused if update is None else update, unused if gate is None else gate,
        scale, shift, sums, normed, row_scales, eps,
        WIDTH=width, BLOCK=triton.next_power_of_2(width), ROUNDS=rounds,
        HAS_UPDATE=update is not None, HAS_GATE=gate is not None, num_warps=WARPS,
    )  # fmt: skip
    return sums, Rows(normed, row_scales) if rounds else normed


@triton.jit
def _add_and_normalise_back(
    sums, of_sums, of_normed, gate, scale, of_tokens, of_update, eps,
    WIDTH: tl.constexpr, BLOCK: tl.constexpr, HAS_UPDATE: tl.constexpr, HAS_GATE: tl.constexpr,
):  # fmt: skip
    columns = tl.arange(0, BLOCK)
    inside = columns < WIDTH
    places = tl.program_id(0).to(tl.int64) * WIDTH + columns
    x = tl.load(sums + places, mask=inside, other=0.0)
    centred = tl.where(inside, x - tl.sum(x, 0) / WIDTH, 0.0)
    inverse = tl.rsqrt(tl.sum(centred * centred, 0) / WIDTH + eps)
    unit = centred * inverse
    change = tl.load(of_normed + places, mask=inside, other=0.0).to(tl.float32)
    change *= tl.load(scale + columns, mask=inside, other=0.0)
    along = tl.sum(change * unit, 0) / WIDTH
    back = inverse * (change - tl.sum(change, 0) / WIDTH - along * unit)
    back += tl.load(of_sums + places, mask=inside, other=0.0)
    tl.store(of_tokens + places, back, mask=inside)
    if HAS_UPDATE:
        if HAS_GATE:
            back *= tl.load(gate + columns, mask=inside, other=0.0)
        tl.store(of_update + places, back.to(of_update.dtype.element_ty), mask=inside)


def add_and_normalise_back(
    sums: Tensor,  # float32 [S, width], what the step returned
    gradients: tuple[Tensor, Tensor],  # of the sums and of the norm
    gate: Tensor | None,
    scale: Tensor,
    *,
    eps: float,
    update_dtype: torch.dtype | None,  # None if there was no update
) -> tuple[Tensor, Tensor | None]:
    """The gradients of tokens and update."""
    of_sums, of_normed = (x.contiguous() for x in gradients)
    width, has_update = sums.shape[1], update_dtype is not None
    of_tokens = torch.empty_like(sums)
    of_update = torch.empty_like(sums, dtype=update_dtype) if has_update else None
    _add_and_normalise_back[(len(sums),)](
        sums, of_sums, of_normed, sums if gate is None else gate, scale,
        of_tokens, of_tokens if of_update is None else of_update, eps,
        WIDTH=width, BLOCK=triton.next_power_of_2(width),
        HAS_UPDATE=has_update, HAS_GATE=gate is not None, num_warps=WARPS,
    )  # fmt: skip
    return of_tokens, of_update


@triton.jit
def _turn(x, cosines, sines, token, BLOCK_HEADS: tl.constexpr, HEAD: tl.constexpr):
    first, second = tl.split(tl.reshape(x, (BLOCK_HEADS, HEAD // 2, 2)))
    angle = token * (HEAD // 2) + tl.arange(0, HEAD // 2)
    cosine, sine = tl.load(cosines + angle)[None, :], tl.load(sines + angle)[None, :]
    turned = tl.join(first * cosine - second * sine, first * sine + second * cosine)
    return tl.reshape(turned, (BLOCK_HEADS, HEAD))


@triton.jit
def _normalise_and_rotate(
    values, weight, cosines, sines, rotated, eps, N_HEADS: tl.constexpr,
    BLOCK_HEADS: tl.constexpr, HEAD: tl.constexpr, ROTATES: tl.constexpr,
):  # fmt: skip
    token = tl.program_id(0).to(tl.int64)
    heads = tl.arange(0, BLOCK_HEADS)[:, None]
    columns = heads * HEAD + tl.arange(0, HEAD)[None, :]
    inside = columns < N_HEADS * HEAD
    places = token * (N_HEADS * HEAD) + columns
    x = tl.load(values + places, mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(tl.sum(x * x, 1), 0) / (N_HEADS * HEAD)
    x *= tl.rsqrt(mean + eps) * tl.load(weight + columns, mask=inside, other=0.0).to(tl.float32)
    if ROTATES:
        x = _turn(x, cosines, sines, token, BLOCK_HEADS, HEAD)
    tl.store(rotated + places, x.to(rotated.dtype.element_ty), mask=inside)


@triton.jit
def _normalise_and_rotate_back(
    values, weight, cosines, opposite_sines, of_rotated, of_values, eps, N_HEADS: tl.constexpr,
    BLOCK_HEADS: tl.constexpr, HEAD: tl.constexpr, ROTATES: tl.constexpr,
):  # fmt: skip
    token = tl.program_id(0).to(tl.int64)
    heads = tl.arange(0, BLOCK_HEADS)[:, None]
    columns = heads * HEAD + tl.arange(0, HEAD)[None, :]
    inside = columns < N_HEADS * HEAD
    places = token * (N_HEADS * HEAD) + columns
    x = tl.load(values + places, mask=inside, other=0.0).to(tl.float32)
    inverse = tl.rsqrt(tl.sum(tl.sum(x * x, 1), 0) / (N_HEADS * HEAD) + eps)
    unit = x * inverse
    change = tl.load(of_rotated + places, mask=inside, other=0.0).to(tl.float32)
    if ROTATES:
        change = _turn(change, cosines, opposite_sines, token, BLOCK_HEADS, HEAD)
    change *= tl.load(weight + columns, mask=inside, other=0.0).to(tl.float32)
    along = tl.sum(tl.sum(change * unit, 1), 0) / (N_HEADS * HEAD)
    back = inverse * (change - along * unit)
    tl.store(of_values + places, back.to(of_values.dtype.element_ty), mask=inside)


def normalise_and_rotate(
    values: Tensor, weight: Tensor, rotation: Rotation | None, *, head_width: int, eps: float
) -> Tensor:
    """As in `plain.py`, or the norm alone; the width of a head must be a power of two."""
    rotated = torch.empty_like(values)
    cosines, sines = (values, values) if rotation is None else rotation  # or not followed
    _normalise_and_rotate[(len(values),)](
        values, weight, cosines, sines, rotated, eps,
        **_heads(values, head_width), ROTATES=rotation is not None, num_warps=WARPS,
    )  # fmt: skip
    return rotated


def normalise_and_rotate_back(
    values: Tensor,
    weight: Tensor,
    rotation: Rotation | None,
    of_rotated: Tensor,
    *,
    head_width: int,
    eps: float,
) -> Tensor:
    """The gradient of the values: what comes back is turned the other way."""
    of_values = torch.empty_like(values)
    cosines, opposite = (values, values) if rotation is None else (rotation[0], -rotation[1])
    _normalise_and_rotate_back[(len(values),)](
        values, weight, cosines, opposite, of_rotated.contiguous(), of_values, eps,
        **_heads(values, head_width), ROTATES=rotation is not None, num_warps=WARPS,
    )  # fmt: skip
    return of_values


def _heads(values: Tensor, head_width: int) -> dict[str, int]:
    n_heads = values.shape[1] // head_width
    block = triton.next_power_of_2(n_heads)
    return {"N_HEADS": n_heads, "BLOCK_HEADS": block, "HEAD": head_width}
