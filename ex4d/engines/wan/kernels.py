"""What `plain.py` does, in Triton: one pass over the memory for each step of a block.

A program holds whole tokens in registers, so that a norm needs no second read. The sizes of
programs were chosen on an H200; see tests/perf/wan_forward.md.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl

if TYPE_CHECKING:
    from torch import Tensor

    from ex4d.engines.wan.cross_keys import KeysAndValues

__all__ = ["add_and_normalise", "attend_to_context", "normalise_and_rotate"]

_WARPS = 4
_QUERIES, _KEYS, _CROSS_WARPS, _STAGES = 64, 32, 4, 3  # of a program of the cross attention
_LOG2_E = math.log2(math.e)


@triton.jit
def _add_and_normalise(
    tokens, update, gate, scale, shift, sums, normed, eps,
    WIDTH: tl.constexpr, BLOCK: tl.constexpr, HAS_UPDATE: tl.constexpr, HAS_GATE: tl.constexpr,
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
) -> tuple[Tensor, Tensor]:
    """As in `plain.py`."""
    width = tokens.shape[1]
    normed = torch.empty_like(tokens, dtype=dtype)
    sums = tokens if update is None else torch.empty_like(tokens)
    unused = tokens  # a pointer that the kernel does not follow
    _add_and_normalise[(len(tokens),)](
        tokens, unused if update is None else update, unused if gate is None else gate,
        scale, shift, sums, normed, eps,
        WIDTH=width, BLOCK=triton.next_power_of_2(width),
        HAS_UPDATE=update is not None, HAS_GATE=gate is not None, num_warps=_WARPS,
    )  # fmt: skip
    return sums, normed


@triton.jit
def _normalise_and_rotate(
    values, weight, cosines, sines, rotated, eps,
    N_HEADS: tl.constexpr, BLOCK_HEADS: tl.constexpr, HEAD: tl.constexpr,
):  # fmt: skip
    token = tl.program_id(0).to(tl.int64)
    heads = tl.arange(0, BLOCK_HEADS)[:, None]
    columns = heads * HEAD + tl.arange(0, HEAD)[None, :]
    inside = columns < N_HEADS * HEAD
    places = token * (N_HEADS * HEAD) + columns
    x = tl.load(values + places, mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(tl.sum(x * x, 1), 0) / (N_HEADS * HEAD)
    x *= tl.rsqrt(mean + eps) * tl.load(weight + columns, mask=inside, other=0.0).to(tl.float32)
    first, second = tl.split(tl.reshape(x, (BLOCK_HEADS, HEAD // 2, 2)))
    angle = token * (HEAD // 2) + tl.arange(0, HEAD // 2)
    cosine, sine = tl.load(cosines + angle)[None, :], tl.load(sines + angle)[None, :]
    turned = tl.join(first * cosine - second * sine, first * sine + second * cosine)
    y = tl.reshape(turned, (BLOCK_HEADS, HEAD))
    tl.store(rotated + places, y.to(rotated.dtype.element_ty), mask=inside)


def normalise_and_rotate(
    values: Tensor, weight: Tensor, cosines: Tensor, sines: Tensor, *, eps: float
) -> Tensor:
    """As in `plain.py`; the width of a head must be a power of two."""
    width = values.shape[1]
    head = 2 * cosines.shape[1]
    rotated = torch.empty_like(values)
    _normalise_and_rotate[(len(values),)](
        values, weight, cosines, sines, rotated, eps,
        N_HEADS=width // head, BLOCK_HEADS=triton.next_power_of_2(width // head), HEAD=head,
        num_warps=_WARPS,
    )  # fmt: skip
    return rotated


@triton.jit
def _inverse_rms(values, inverses, eps, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    columns = tl.arange(0, BLOCK)
    row = tl.program_id(0)
    places = row.to(tl.int64) * WIDTH + columns
    x = tl.load(values + places, mask=columns < WIDTH, other=0.0).to(tl.float32)
    tl.store(inverses + row, tl.rsqrt(tl.sum(x * x, 0) / WIDTH + eps))


@triton.jit
def _attend(
    queries, keys, values, columns, n_keys, last_log2, factor,
    WIDTH: tl.constexpr, QUERIES: tl.constexpr, KEYS: tl.constexpr, HEAD: tl.constexpr,
):  # fmt: skip
    """Softmax attention with a running maximum; the last key counts 2 ** last_log2 times."""
    highest = tl.full((QUERIES,), float("-inf"), tl.float32)
    weight = tl.zeros((QUERIES,), tl.float32)
    total = tl.zeros((QUERIES, HEAD), tl.float32)
    for start in range(0, n_keys, KEYS):
        number = start + tl.arange(0, KEYS)
        known = number < n_keys
        places = number[:, None] * WIDTH + columns[None, :]
        key = tl.load(keys + places, mask=known[:, None], other=0.0)
        score = tl.dot(queries, tl.trans(key), input_precision="ieee") * factor
        score += tl.where(number == n_keys - 1, last_log2, 0.0)[None, :]
        score = tl.where(known[None, :], score, float("-inf"))
        higher = tl.maximum(highest, tl.max(score, 1))
        share = tl.exp2(score - higher[:, None])
        kept = tl.exp2(highest - higher)
        value = tl.load(values + places, mask=known[:, None], other=0.0)
        weight = weight * kept + tl.sum(share, 1)
        change = tl.dot(share.to(value.dtype), value, input_precision="ieee")
        total = total * kept[:, None] + change
        highest = higher
    return total / weight[:, None]


@triton.jit(do_not_specialize=["n_rows", "n_texts", "n_images"])
def _attend_to_context(
    queries, inverses, weight, text_keys, text_values, image_keys, image_values, attended,
    n_rows, n_texts, n_images, last_log2, factor,
    WIDTH: tl.constexpr, HEAD: tl.constexpr, QUERIES: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    # all heads of some tokens run side by side: together they read whole lines of memory
    columns = tl.program_id(0) * HEAD + tl.arange(0, HEAD)
    rows = tl.program_id(1) * QUERIES + tl.arange(0, QUERIES)
    here = (rows < n_rows)[:, None]
    places = rows.to(tl.int64)[:, None] * WIDTH + columns[None, :]
    query = tl.load(queries + places, mask=here, other=0.0)
    inverse = tl.load(inverses + rows, mask=rows < n_rows, other=0.0)
    normed = query.to(tl.float32) * inverse[:, None]
    normed *= tl.load(weight + columns).to(tl.float32)[None, :]
    normed = normed.to(query.dtype)
    result = _attend(
        normed, text_keys, text_values, columns, n_texts, last_log2, factor,
        WIDTH, QUERIES, KEYS, HEAD,
    ) + _attend(
        normed, image_keys, image_values, columns, n_images, 0.0, factor,
        WIDTH, QUERIES, KEYS, HEAD,
    )  # fmt: skip
    tl.store(attended + places, result.to(attended.dtype.element_ty), mask=here)


def attend_to_context(
    queries: Tensor,  # [S, width], not normed yet
    weight: Tensor,  # [width], of their norm
    text: KeysAndValues,
    image: KeysAndValues,
    *,
    head_width: int,
    eps: float,
) -> Tensor:  # [S, width]
    """RMS norm of the queries, and the sum of their attention to a text and to an image."""
    n_rows, width = queries.shape
    inverses = queries.new_empty(n_rows, dtype=torch.float32)
    block = triton.next_power_of_2(width)
    _inverse_rms[(n_rows,)](queries, inverses, eps, WIDTH=width, BLOCK=block, num_warps=_WARPS)
    attended = torch.empty_like(queries)
    grid = (width // head_width, triton.cdiv(n_rows, _QUERIES))
    _attend_to_context[grid](
        queries, inverses, weight, text.keys, text.values, image.keys, image.values, attended,
        n_rows, len(text.keys), len(image.keys), math.log2(text.last_counts),
        _LOG2_E / math.sqrt(head_width),
        WIDTH=width, HEAD=head_width, QUERIES=_QUERIES, KEYS=_KEYS,
        num_warps=_CROSS_WARPS, num_stages=_STAGES,
    )  # fmt: skip
    return attended
