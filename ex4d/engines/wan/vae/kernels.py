"""What `plain.py` does, in Triton: one pass over the memory for each step.

A program holds all channels of a few pixels, and goes through their frames one after the other: so
it can move `before` on in place. Chosen on an H200; see tests/perf/wan_vae.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["activate", "add"]

_VALUES = 2048  # of a program at once
_WARPS = 4


@triton.jit
def _sum(skip, update, bias, places, inside, HAS_SKIP: tl.constexpr, HAS_UPDATE: tl.constexpr):
    if HAS_UPDATE:
        total = tl.load(update + places, mask=inside, other=0.0).to(tl.float32) + bias
        if HAS_SKIP:
            total += tl.load(skip + places, mask=inside, other=0.0).to(tl.float32)
    else:
        total = tl.load(skip + places, mask=inside, other=0.0).to(tl.float32)
    return total


@triton.jit
def _add(
    skip, update, bias, sums, n_pixels, height, width, rim,
    WIDTH: tl.constexpr, BLOCK: tl.constexpr, PIXELS: tl.constexpr, HAS_SKIP: tl.constexpr,
):  # fmt: skip
    pixels = tl.program_id(0).to(tl.int64) * PIXELS + tl.arange(0, PIXELS)[:, None]
    columns = tl.arange(0, BLOCK)[None, :]
    inside = (pixels < n_pixels) & (columns < WIDTH)
    places = pixels * WIDTH + columns
    biases = tl.load(bias + columns, mask=columns < WIDTH, other=0.0).to(tl.float32)
    total = _sum(skip, update, biases, places, inside, HAS_SKIP, True)
    rows = pixels // width  # of all frames
    larger_rows = rows // height * (height + rim) + rows % height
    places = (larger_rows * (width + rim) + pixels % width) * WIDTH + columns
    tl.store(sums + places, total.to(sums.dtype.element_ty), mask=inside)


def add(skip: Tensor | None, update: Tensor, bias: Tensor, rim: int) -> Tensor:
    """As in `plain.py`; both must be contiguous."""
    batch, n_frames, height, width, channels = update.shape
    sums = update.new_empty(batch, n_frames, height + rim, width + rim, channels)
    if rim:
        sums[:, :, height:] = 0
        sums[:, :, :, width:] = 0
    n_pixels, sizes = update.numel() // channels, _sizes(channels)
    _add[(triton.cdiv(n_pixels, sizes["PIXELS"]),)](
        update if skip is None else skip, update, bias, sums, n_pixels, height, width, rim,
        **sizes, HAS_SKIP=skip is not None, num_warps=_WARPS,
    )  # fmt: skip
    return sums


@triton.jit(do_not_specialize=["n_pixels", "n_frames"])  # the same kernel for all of them
def _activate(
    skip, update, bias, gamma, before, sums, joined, n_pixels, n_frames,
    WIDTH: tl.constexpr, BLOCK: tl.constexpr, PIXELS: tl.constexpr,
    HAS_SKIP: tl.constexpr, HAS_UPDATE: tl.constexpr, KEEPS_SUM: tl.constexpr,
):  # fmt: skip
    pixels = tl.program_id(0).to(tl.int64) * PIXELS + tl.arange(0, PIXELS)[:, None]
    batch = tl.program_id(1).to(tl.int64)
    columns = tl.arange(0, BLOCK)[None, :]
    is_channel = columns < WIDTH
    inside = (pixels < n_pixels) & is_channel
    frame = n_pixels.to(tl.int64) * WIDTH
    places = pixels * WIDTH + columns
    gammas = tl.load(gamma + columns, mask=is_channel, other=0.0).to(tl.float32)
    biases = tl.zeros_like(gammas)
    if HAS_UPDATE:
        biases = tl.load(bias + columns, mask=is_channel, other=0.0).to(tl.float32)
    kept = before + batch * 2 * frame + places
    older = tl.load(kept, mask=inside, other=0.0)
    last = tl.load(kept + frame, mask=inside, other=0.0)
    target = joined + batch * (n_frames + 2) * frame + places
    tl.store(target, older, mask=inside)
    tl.store(target + frame, last, mask=inside)
    for number in range(n_frames):
        here = (batch * n_frames + number) * frame + places
        total = _sum(skip, update, biases, here, inside, HAS_SKIP, HAS_UPDATE)
        if KEEPS_SUM:
            tl.store(sums + here, total.to(sums.dtype.element_ty), mask=inside)
        length = tl.sqrt(tl.sum(total * total, 1))[:, None]
        normed = total / tl.maximum(length, 1e-12) * (WIDTH**0.5) * gammas
        older = last
        last = (normed * tl.sigmoid(normed)).to(joined.dtype.element_ty)
        tl.store(target + (number + 2) * frame, last, mask=inside)
    tl.store(kept, older, mask=inside)
    tl.store(kept + frame, last, mask=inside)


def activate(
    skip: Tensor | None,
    update: Tensor | None,
    bias: Tensor | None,
    gamma: Tensor,
    before: Tensor,
    *,
    keeps_sum: bool,
) -> tuple[Tensor | None, Tensor]:
    """Return skip + update + bias, if it is wanted, and that through `plain.activate`; all must be
    contiguous."""
    given = skip if update is None else update
    assert given is not None  # noqa: S101
    batch, n_frames, height, width, channels = given.shape
    sums = torch.empty_like(given) if keeps_sum and update is not None else None
    joined = given.new_empty(batch, n_frames + 2, height, width, channels)
    n_pixels, sizes = height * width, _sizes(channels)
    _activate[(triton.cdiv(n_pixels, sizes["PIXELS"]), batch)](
        given if skip is None else skip, given, given if bias is None else bias, gamma, before,
        given if sums is None else sums, joined, n_pixels, n_frames,
        **sizes, HAS_SKIP=skip is not None, HAS_UPDATE=update is not None,
        KEEPS_SUM=sums is not None, num_warps=_WARPS,
    )  # fmt: skip
    total = skip if update is None else sums
    return (total if keeps_sum else None), joined


def _sizes(channels: int) -> dict[str, int]:
    block = triton.next_power_of_2(channels)
    return {"WIDTH": channels, "BLOCK": block, "PIXELS": max(1, _VALUES // block)}
