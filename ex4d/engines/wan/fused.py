"""The steps between a block's matrix products, each by the fastest way there is.

On a GPU with Triton a kernel; elsewhere PyTorch. Where gradients are asked for, the kernel computes
forward and PyTorch computes it again on the way back.
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from ex4d.engines.wan import plain
from ex4d.engines.wan.cross_keys import KeysAndValues
from ex4d.engines.wan.rotation import Rotation

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

__all__ = [
    "add_and_normalise",
    "attend_to_context",
    "normalise_and_rotate",
    "sum_of_attention",
    "warm_up",
]

_SMALLEST_HEAD = 16  # of a matrix product in Triton


def add_and_normalise(
    tokens: Tensor,  # float32 [S, width]
    update: Tensor | None,  # [S, width]
    gate: Tensor | None,  # float32 [width]
    scale: Tensor,  # float32 [width]
    shift: Tensor,  # float32 [width]
    *,
    eps: float,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """Return tokens + gate * update in float32, and its layer norm * scale + shift in `dtype`."""
    options = {"eps": eps, "dtype": dtype}
    inputs = (tokens, update, gate, scale, shift)
    summed: tuple[Tensor, Tensor] = _run("add_and_normalise", inputs, options)
    return summed


def normalise_and_rotate(values: Tensor, weight: Tensor, rotation: Rotation, eps: float) -> Tensor:
    """RMS norm of queries or keys [S, width] over all heads, then the rotary embedding."""
    if not _is_power_of_two(2 * rotation.cosines.shape[1]):
        return plain.normalise_and_rotate(values, weight, *rotation, eps=eps)
    inputs = (values, weight, *rotation)
    rotated: Tensor = _run("normalise_and_rotate", inputs, {"eps": eps})
    return rotated


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
    kernels = _kernels(queries.device)
    fits = _is_power_of_two(head_width) and head_width >= _SMALLEST_HEAD
    needs_gradients = torch.is_grad_enabled() and any(
        x.requires_grad for x in (queries, text.keys, image.keys)
    )
    if kernels is not None and fits and not needs_gradients:
        with torch.cuda.device(queries.device):
            made: Tensor = kernels.attend_to_context(
                queries, weight, text, image, head_width=head_width, eps=eps
            )
        return made
    normed = plain.normalise(queries, weight, eps=eps).to(queries.dtype)
    return sum_of_attention(normed, text, image, head_width)


def sum_of_attention(
    queries: Tensor, text: KeysAndValues, image: KeysAndValues, head_width: int
) -> Tensor:
    """The attention of normed queries to a text, and to an image; together [S, width]."""
    text = text.unfolded()
    of_text = plain.attend(queries, text.keys, text.values, head_width)
    return of_text + plain.attend(queries, image.keys, image.values, head_width)


def warm_up(
    width: int, head_width: int, device: torch.device, report: Callable[[int, int], None]
) -> None:
    """Compile what a transformer of this width will run, or fetch it from the disk where Triton
    keeps it. `report` gets the kernels done and those in all, and may raise."""
    if _kernels(device) is None:
        return
    rows = torch.randn(16, width, device=device)
    half, vector = rows.bfloat16(), rows[0].contiguous()
    weight = half[0].contiguous()
    angles = torch.zeros(16, head_width // 2, device=device)
    keys = KeysAndValues(half, half, 2)
    add = partial(add_and_normalise, scale=vector, shift=vector, eps=1e-6)
    steps: list[Callable[[], Any]] = [
        lambda: add(rows, None, None, dtype=torch.bfloat16),
        lambda: add(rows, half, vector, dtype=torch.bfloat16),
        lambda: add(rows, half, None, dtype=torch.bfloat16),
        lambda: add(rows, half, vector, dtype=torch.float32),
        lambda: normalise_and_rotate(half, weight, Rotation(angles, angles), 1e-6),
        lambda: attend_to_context(half, weight, keys, keys, head_width=head_width, eps=1e-6),
        lambda: plain.attend(half, half, half, head_width),
        lambda: functional.linear(half, half),
    ]
    for done, step in enumerate(steps):
        report(done, len(steps))
        step()
    torch.cuda.synchronize(device)
    report(len(steps), len(steps))


@cache
def _triton_kernels() -> Any:
    if importlib.util.find_spec("triton") is None:
        return None
    return importlib.import_module("ex4d.engines.wan.kernels")


def _kernels(device: torch.device) -> Any:
    """The Triton kernels, or None where they cannot run."""
    return _triton_kernels() if device.type == "cuda" else None


def _is_power_of_two(number: int) -> bool:
    return number & (number - 1) == 0


def _run(name: str, inputs: tuple[Tensor | None, ...], options: dict[str, Any]) -> Any:
    """Call what has this name in `kernels` or in `plain`."""
    device = next(x.device for x in inputs if x is not None)
    in_torch = partial(getattr(plain, name), **options)
    kernels = _kernels(device)
    if kernels is None:
        return in_torch(*inputs)
    kernel = partial(getattr(kernels, name), **options)
    with torch.cuda.device(device):
        if torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in inputs):
            return _WithGradients.apply(kernel, in_torch, *inputs)
        return kernel(*inputs)


class _WithGradients(torch.autograd.Function):
    """A kernel forward; backward the gradients of the same in PyTorch, computed again."""

    @staticmethod
    def forward(
        ctx: Any, kernel: Callable[..., Any], in_torch: Callable[..., Any], *inputs: Tensor | None
    ) -> Any:
        ctx.in_torch = in_torch
        ctx.save_for_backward(*inputs)
        return kernel(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        needed = ctx.needs_input_grad[2:]
        with torch.enable_grad():
            inputs = [
                None if x is None else x.detach().requires_grad_(is_needed)
                for x, is_needed in zip(ctx.saved_tensors, needed, strict=True)
            ]
            outputs = ctx.in_torch(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        asked = [x for x, is_needed in zip(inputs, needed, strict=True) if is_needed]
        found = iter(torch.autograd.grad(outputs, asked, gradients))
        return None, None, *(next(found) if is_needed else None for is_needed in needed)
