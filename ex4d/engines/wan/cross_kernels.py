"""The cross attention to a text and to an image in one pass over the queries, in Triton.

The sizes of programs were chosen on an H200; see tests/perf/wan_forward.md.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl

from ex4d.engines.wan.kernels import WARPS

if TYPE_CHECKING:
    from torch import Tensor

    from ex4d.engines.wan.cross_keys import KeysAndValues

__all__ = ["attend_to_context"]

_QUERIES, _KEYS, _CROSS_WARPS, _STAGES = 64, 32, 4, 3
_LOG2_E = math.log2(math.e)


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
    _inverse_rms[(n_rows,)](queries, inverses, eps, WIDTH=width, BLOCK=block, num_warps=WARPS)
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
