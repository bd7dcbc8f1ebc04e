"""Matrix products in fp8 (e4m3): which layers take part in a tier, and how numbers are rounded.

Every row of a weight has a scale that was fixed when it was loaded, and every token one of its own,
made anew each time (row-wise dynamic scaling): the largest value of a row becomes the largest that
fp8 can say. Sums are float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ex4d.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ex4d.engines.base import Precision

__all__ = [
    "FP8",
    "Rows",
    "block_bytes",
    "check_card",
    "multiply",
    "round_blocks",
    "round_rows",
]

FP8 = torch.float8_e4m3fn
_LARGEST = 448.0
_FFN = ("ffn.0", "ffn.2")
_SELF = tuple(f"self_attn.{name}" for name in "qkvo")
_CROSS = ("cross_attn.q", "cross_attn.o")  # its keys and values are made once a clip
_LAYERS: dict[Precision, tuple[str, ...]] = {
    "bf16": (),
    "fp8-ffn": _FFN,
    "fp8": (*_FFN, *_SELF),
    "fp8-all": (*_FFN, *_SELF, *_CROSS),
}


class Rows(NamedTuple):
    """Rows of numbers in fp8: values * scales."""

    values: Tensor  # FP8 [S, width]
    scales: Tensor  # float32 [S]


def round_rows(values: Tensor) -> Rows:  # [S, width]
    """Round each row by a scale of its own."""
    values = values.float()
    scales = values.abs().amax(dim=-1).clamp_min(1e-12) / _LARGEST
    return Rows((values / scales[:, None]).to(FP8), scales)


def multiply(given: Rows, weight: Rows, bias: Tensor) -> Tensor:  # [S, out], in the bias's format
    """The product of tokens and a weight [out, in]. On a GPU its tensor cores multiply fp8; on a
    CPU the same rounded numbers are multiplied in float32, which only tests want."""
    if given.values.is_cuda:
        product: Tensor = torch._scaled_mm(
            given.values,
            weight.values.T,
            scale_a=given.scales[:, None],
            scale_b=weight.scales[None],
            bias=bias,
            out_dtype=bias.dtype,
            use_fast_accum=True,
        )
        return product
    tokens, exact = (rows.values.float() * rows.scales[:, None] for rows in (given, weight))
    made: Tensor = functional.linear(tokens, exact, bias.float())
    return made.to(bias.dtype)


def check_card(precision: Precision, device: torch.device) -> None:
    """Raise UsageError for a tier that a device cannot run: it must multiply fp8 with a scale for
    each row, which the one way to know is to try."""
    if precision == "bf16":
        return
    reason = "there is no GPU"
    if device.type == "cuda":
        ones = torch.ones(16, 16, device=device)
        try:
            multiply(round_rows(ones), round_rows(ones), ones[0].bfloat16())
        except (RuntimeError, ValueError, NotImplementedError):
            reason = f"{torch.cuda.get_device_name(device)} does not multiply fp8 row by row"
        else:
            return
    raise UsageError(f"the precision {precision} cannot run here: {reason}; choose bf16")


def block_bytes(
    shapes: Mapping[str, tuple[int, ...]],  # of a block's weights, by their names in it
    precision: Precision,
    item_bytes: int,  # of a number that is not in fp8
) -> int:
    """How large a block is when a tier's layers are rounded."""
    rounded = {f"{name}.weight" for name in _LAYERS[precision]}
    return sum(
        torch.Size(shape).numel() + 4 * shape[0]
        if name in rounded
        else item_bytes * torch.Size(shape).numel()
        for name, shape in shapes.items()
    )


@torch.no_grad()
def round_blocks(blocks: Iterable[nn.Module], precision: Precision, device: torch.device) -> None:
    """Round the weights of a tier's layers; `device` does the work, a CPU would take minutes.
    Raises UsageError where a change lies beside a weight."""
    for block in blocks:
        for name in _LAYERS[precision]:
            layer = block.get_submodule(name)
            if layer.change is not None:
                raise UsageError(
                    f"the precision {precision} cannot run here: EX-4D's change is unfused, which "
                    "is for bf16 alone"
                )
            home = layer.weight.device
            rows = round_rows(layer.weight.to(device))
            layer.weight = nn.Parameter(rows.values.to(home), requires_grad=False)
            layer.scales = nn.Parameter(rows.scales.to(home), requires_grad=False)
