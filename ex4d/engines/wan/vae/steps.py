"""The steps between the convolutions, each by the fastest way there is: on a GPU with Triton a
kernel, elsewhere PyTorch."""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional

from ex4d.engines.wan.fused import can_compile
from ex4d.engines.wan.vae import plain

if TYPE_CHECKING:
    from types import ModuleType

    from torch import Tensor

__all__ = ["Stream", "activate", "convolve", "settled"]


_TENSOR_CORES = 8  # channels: what they take at once


class Stream(NamedTuple):
    """Frames between two steps, a sum that the next step does: skip + update + bias."""

    skip: Tensor | None  # [B, T, H, W, C]; one of the two is there
    update: Tensor | None = None  # what a convolution made, without its bias
    bias: Tensor | None = None  # [C]


def settled(stream: Stream, *, rim: int = 0) -> Tensor:  # [B, T, H + rim, W + rim, C]
    """The sum, and zeros below and to the right of it."""
    skip, update, bias = stream
    if update is None or bias is None:
        assert skip is not None  # noqa: S101
        return functional.pad(skip, (0, 0, 0, rim, 0, rim)) if rim else skip
    kernels = _kernels(update)
    if kernels is None:
        return plain.add(skip, update, bias, rim)
    with torch.cuda.device(update.device):
        total: Tensor = kernels.add(skip, update, bias, rim)
    return total


def activate(
    stream: Stream,
    gamma: Tensor,  # [C]
    before: Tensor,  # [B, 2, H, W, C]: the last two frames that came out of this step; moved on
    *,
    keeps_sum: bool = False,
) -> tuple[Tensor | None, Tensor]:
    """Return the sum, if it is wanted, and `before` and RMS norm and SiLU of the sum, one behind
    the other [B, 2 + T, H, W, C]."""
    kernels = _kernels(before)
    if kernels is None:
        total = settled(stream)
        return (total if keeps_sum else None), plain.activate(total, gamma, before)
    with torch.cuda.device(before.device):
        done: tuple[Tensor | None, Tensor] = kernels.activate(
            *stream, gamma, before, keeps_sum=keeps_sum
        )
    return done


def convolve(
    joined: Tensor,  # [B, before + T, H, W, in]
    weight: Tensor,  # [out, in, kernel of time, of rows, of columns]
    *,
    time_stride: int = 1,
) -> Tensor:  # [B, T, H, W, out]
    """Convolve frames that have those before them in front; around each frame there are zeros."""
    n_out, n_in = weight.shape[:2]
    is_ragged = n_out % _TENSOR_CORES or n_in % _TENSOR_CORES
    if joined.is_cuda and is_ragged:
        joined = functional.pad(joined, (0, -n_in % _TENSOR_CORES))
        more = (0, 0) * 3 + (0, -n_in % _TENSOR_CORES, 0, -n_out % _TENSOR_CORES)
        weight = functional.pad(weight, more)
    kernel = None if _kernels(joined) is None else _conv_kernel()
    if kernel is not None and time_stride == 1 and kernel.suits(joined, weight):
        with torch.cuda.device(joined.device):
            convolved: Tensor = kernel.convolve(joined, weight)
        return convolved
    padding = (0, weight.shape[3] // 2, weight.shape[4] // 2)
    channels_first = joined.permute(0, 4, 1, 2, 3)  # a view
    if joined.is_cuda:
        weight = weight.contiguous(memory_format=torch.channels_last_3d)
    output: Tensor = functional.conv3d(channels_first, weight, None, (time_stride, 1, 1), padding)
    return output.permute(0, 2, 3, 4, 1)[..., :n_out]


def _kernels(frames: Tensor) -> ModuleType | None:
    """The Triton kernels, or None where they cannot run."""
    if not can_compile(frames.device):
        return None
    return importlib.import_module("ex4d.engines.wan.vae.kernels")


@cache
def _conv_kernel() -> ModuleType | None:
    """None where Triton is older than its way to the copy engine."""
    try:
        return importlib.import_module("ex4d.engines.wan.vae.conv_kernel")
    except ImportError:
        return None
