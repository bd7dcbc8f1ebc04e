"""A causal convolution of 3x3x3 in Triton, for the widths that cuDNN has no good kernel for.

Wan's largest frames have 96 channels, and 3 at the ends. On an H200 cuDNN 9.19 takes kernels of an
older generation for them, 290 TFLOP/s of 790; this one makes 547. It is a matrix product whose left
side is fetched, for each of the 27 places, by the copy engine of that generation (TMA): that also
fills in the zeros beyond a frame's edges. See tests/perf/wan_vae.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["convolve", "suits"]

_OUTPUTS = 128  # channels of a program
_WELL_SUPPORTED = 64  # cuDNN's kernels of this generation take multiples of it
_HOPPER = 9


def suits(joined: Tensor, weight: Tensor) -> bool:
    """Whether this is the way for a convolution [out, in, 3, 3, 3] on this card."""
    n_out, n_in, *kernel = weight.shape
    is_odd = n_out % _WELL_SUPPORTED or n_in % _WELL_SUPPORTED
    return (
        kernel == [3, 3, 3]
        and bool(is_odd)
        and _WELL_SUPPORTED < n_out <= _OUTPUTS
        and n_out % 8 == n_in % 8 == 0
        and joined.dtype == weight.dtype == torch.bfloat16
        and torch.cuda.get_device_capability(joined.device)[0] == _HOPPER
    )


@triton.jit
def _convolve(
    joined, weights, output, n_frames, height, width,
    N_IN: tl.constexpr, N_OUT: tl.constexpr, PIXELS: tl.constexpr, OUTPUTS: tl.constexpr,
    INPUTS: tl.constexpr,
):  # fmt: skip
    column, row, frame = tl.program_id(0) * PIXELS, tl.program_id(1), tl.program_id(2)
    first = frame // n_frames * (n_frames + 2) + frame % n_frames
    total = tl.zeros((PIXELS, OUTPUTS), tl.float32)
    N_PARTS: tl.constexpr = (N_IN + INPUTS - 1) // INPUTS
    for step in range(27 * N_PARTS):
        place, part = step // N_PARTS, step % N_PARTS * INPUTS
        pixels = joined.load(
            [first + place // 9, row + place // 3 % 3 - 1, column + place % 3 - 1, part]
        ).reshape(PIXELS, INPUTS)
        total = tl.dot(pixels, weights.load([place * N_IN + part, 0]), total)
    columns = column + tl.arange(0, PIXELS)[:, None]
    channels = tl.arange(0, OUTPUTS)[None, :]
    at = ((frame.to(tl.int64) * height + row) * width + columns) * N_OUT + channels
    inside = (columns < width) & (channels < N_OUT)
    tl.store(output + at, total.to(output.dtype.element_ty), mask=inside)


def convolve(joined: Tensor, weight: Tensor) -> Tensor:  # [B, 2 + T, H, W, in] -> [B, T, H, W, out]
    """Convolve frames behind the two before them, with zeros around each frame."""
    batch, n_joined, height, width, n_in = joined.shape
    n_frames, n_out = n_joined - 2, len(weight)
    weights = weight.permute(2, 3, 4, 1, 0).reshape(27 * n_in, n_out).contiguous()
    output = joined.new_empty(batch, n_frames, height, width, n_out)
    # Chosen by trial; twice as many pixels are 1.22 times as fast, where a row fills them
    pixels = min((256, 128), key=lambda n: triton.cdiv(width, n) * n * (0.82 if n == 256 else 1))
    inputs = min(32, max(16, triton.next_power_of_2(n_in)))
    grid = (triton.cdiv(width, pixels), height, batch * n_frames)
    _convolve[grid](
        _described(joined.flatten(0, 1), [1, 1, pixels, inputs]),
        _described(weights, [inputs, _OUTPUTS]),
        output, n_frames, height, width,
        N_IN=n_in, N_OUT=n_out, PIXELS=pixels, OUTPUTS=_OUTPUTS, INPUTS=inputs,
        num_warps=8 if pixels == 256 else 4, num_stages=5,
    )  # fmt: skip
    return output


def _described(tensor: Tensor, block: list[int]) -> TensorDescriptor:
    return TensorDescriptor(tensor, list(tensor.shape), list(tensor.stride()), block)
