"""The steps between a block's matrix products, each by the fastest way there is.

On a GPU with Triton a kernel; elsewhere PyTorch. The kernels have gradients for what tokens bring;
where a weight wants one too, PyTorch computes.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from ex4d.engines.wan import fp8, plain, with_gradients
from ex4d.engines.wan.cross_keys import KeysAndValues
from ex4d.engines.wan.fp8 import FP8, Rows
from ex4d.engines.wan.rotation import Rotation

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

__all__ = [
    "add_and_normalise",
    "attend_to_context",
    "can_compile",
    "normalise_and_rotate",
    "round_rows",
    "sum_of_attention",
    "warm_up",
]

_log = logging.getLogger(__name__)
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
) -> tuple[Tensor, Any]:  # a Tensor, or Rows in fp8
    """Return tokens + gate * update in float32, and its layer norm * scale + shift in `dtype`."""
    kernels = _kernels(tokens.device)
    if dtype == FP8:
        if kernels is None:
            sums, normed = plain.add_and_normalise(
                tokens, update, gate, scale, shift, eps=eps, dtype=torch.float32
            )
            return sums, fp8.round_rows(normed)
        with torch.cuda.device(tokens.device):
            rounded: tuple[Tensor, Rows] = kernels.add_and_normalise(
                tokens, update, gate, scale, shift, eps=eps, dtype=dtype
            )
        return rounded
    if kernels is None or _wants_gradient(gate, scale, shift):
        return plain.add_and_normalise(tokens, update, gate, scale, shift, eps=eps, dtype=dtype)
    step = with_gradients.AddAndNormalise
    with torch.cuda.device(tokens.device):
        done: tuple[Tensor, Tensor] = step.apply(
            kernels, tokens, update, gate, scale, shift, eps, dtype
        )
    return done


def normalise_and_rotate(
    values: Tensor, weight: Tensor, rotation: Rotation | None, *, head_width: int, eps: float
) -> Tensor:
    """RMS norm of queries or keys [S, width] over all heads, then the rotary embedding, if any."""
    kernels = _kernels(values.device)
    if kernels is not None and _is_power_of_two(head_width) and not _wants_gradient(weight):
        step = with_gradients.NormaliseAndRotate
        with torch.cuda.device(values.device):
            done: Tensor = step.apply(kernels, values, weight, rotation, head_width, eps)
        return done
    if rotation is None:
        return plain.normalise(values, weight, eps=eps).to(values.dtype)
    return plain.normalise_and_rotate(values, weight, *rotation, eps=eps)


def round_rows(values: Tensor, *, gelu: bool = False) -> Rows:  # [S, width]
    """Round tokens to fp8, each by a scale of its own; behind GELU in its tanh form with `gelu`."""
    if _kernels(values.device) is None:
        return fp8.round_rows(functional.gelu(values, approximate="tanh") if gelu else values)
    kernel = importlib.import_module("ex4d.engines.wan.fp8_kernel")
    with torch.cuda.device(values.device):
        rounded: Rows = kernel.round_rows(values, gelu=gelu)
    return rounded


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
    fits = _is_power_of_two(head_width) and head_width >= _SMALLEST_HEAD
    if (
        _kernels(queries.device) is not None
        and fits
        and not _wants_gradient(queries, weight, text.keys, image.keys)
    ):
        kernels = importlib.import_module("ex4d.engines.wan.cross_kernels")
        with torch.cuda.device(queries.device):
            done: Tensor = kernels.attend_to_context(
                queries, weight, text, image, head_width=head_width, eps=eps
            )
        return done
    normed = normalise_and_rotate(queries, weight, None, head_width=head_width, eps=eps)
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
    turn = partial(normalise_and_rotate, half, weight, head_width=head_width, eps=1e-6)
    steps: list[Callable[[], Any]] = [
        lambda: add(rows, None, None, dtype=torch.bfloat16),
        lambda: add(rows, half, vector, dtype=torch.bfloat16),
        lambda: add(rows, half, None, dtype=torch.bfloat16),
        lambda: add(rows, half, vector, dtype=torch.float32),
        lambda: turn(rotation=Rotation(angles, angles)),
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
    """None without Triton, and where one small kernel shows that it cannot compile: it calls a C
    compiler, which not every machine has, and knows no old cards."""
    if importlib.util.find_spec("triton") is None:
        return None
    kernels = importlib.import_module("ex4d.engines.wan.kernels")
    row = torch.ones(1, 16, device="cuda")
    try:
        kernels.add_and_normalise(row, None, None, row[0], row[0], eps=1.0, dtype=row.dtype)
    except Exception as error:  # whatever a compiler and a driver can raise
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        _log.warning("Triton cannot compile here (%s): PyTorch's slower kernels run", reason)
        return None
    return kernels


def _kernels(device: torch.device) -> Any:
    """The Triton kernels, or None where they cannot run."""
    if device.type != "cuda":
        return None
    with torch.cuda.device(device):
        return _triton_kernels()


def can_compile(device: torch.device) -> bool:
    """Whether Triton's kernels run on a device."""
    return _kernels(device) is not None


def _is_power_of_two(number: int) -> bool:
    return number & (number - 1) == 0


def _wants_gradient(*tensors: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in tensors)
