"""Tokens rounded to fp8 in Triton, behind GELU where it is asked for: one pass over the memory."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ex4d.engines.wan.fp8 import FP8, Rows

__all__ = ["round_rows"]

_WARPS = 8


@triton.jit
def _round(
    values, rounded, row_scales, WIDTH: tl.constexpr, BLOCK: tl.constexpr, GELU: tl.constexpr
):
    columns = tl.arange(0, BLOCK)
    inside = columns < WIDTH
    places = tl.program_id(0).to(tl.int64) * WIDTH + columns
    x = tl.load(values + places, mask=inside, other=0.0).to(tl.float32)
    if GELU:  # x (1 + tanh z) / 2 is x sigmoid(2 z)
        x *= tl.sigmoid(1.5957691216057308 * (x + 0.044715 * x * x * x))
    scale = tl.maximum(tl.max(tl.abs(x), 0), 1e-12) / 448.0
    tl.store(row_scales + tl.program_id(0), scale)
    tl.store(rounded + places, (x / scale).to(rounded.dtype.element_ty), mask=inside)


def round_rows(values: Tensor, *, gelu: bool) -> Rows:
    """As in `fused.py`."""
    values = values.contiguous()
    rounded = torch.empty_like(values, dtype=FP8)
    row_scales = torch.empty(len(values), dtype=torch.float32, device=values.device)
    width = values.shape[1]
    _round[(len(values),)](
        values, rounded, row_scales,
        WIDTH=width, BLOCK=triton.next_power_of_2(width), GELU=gelu, num_warps=_WARPS,
    )  # fmt: skip
    return Rows(rounded, row_scales)
