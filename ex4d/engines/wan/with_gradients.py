"""Steps that autograd cannot see into, with their gradients. What is frozen in them gets none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

    from ex4d.engines.wan.rotation import Rotation

__all__ = ["AddAndNormalise", "ChangedLinear", "NormaliseAndRotate"]


class AddAndNormalise(torch.autograd.Function):
    """The kernel of that name; gradients for tokens and update."""

    @staticmethod
    def forward(
        ctx: Any,
        kernels: Any,
        tokens: Tensor,
        update: Tensor | None,
        gate: Tensor | None,
        scale: Tensor,
        shift: Tensor,
        eps: float,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        """Run the kernel; keep the sums."""
        sums, normed = kernels.add_and_normalise(
            tokens, update, gate, scale, shift, eps=eps, dtype=dtype
        )
        ctx.save_for_backward(sums, gate, scale)
        ctx.kernels, ctx.eps = kernels, eps
        ctx.update_dtype = None if update is None else update.dtype
        return sums, normed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """The gradients of tokens and update."""
        sums, gate, scale = ctx.saved_tensors
        with torch.cuda.device(sums.device):
            of_tokens, of_update = ctx.kernels.add_and_normalise_back(
                sums, gradients, gate, scale, eps=ctx.eps, update_dtype=ctx.update_dtype
            )
        return None, of_tokens, of_update, None, None, None, None, None


class NormaliseAndRotate(torch.autograd.Function):
    """The kernel of that name; a gradient for the values."""

    @staticmethod
    def forward(
        ctx: Any,
        kernels: Any,
        values: Tensor,
        weight: Tensor,
        rotation: Rotation | None,
        head_width: int,
        eps: float,
    ) -> Tensor:
        """Run the kernel; keep the values."""
        ctx.save_for_backward(values, weight)
        ctx.kernels, ctx.rotation = kernels, rotation
        ctx.options = {"head_width": head_width, "eps": eps}
        rotated: Tensor = kernels.normalise_and_rotate(values, weight, rotation, **ctx.options)
        return rotated

    @staticmethod
    def backward(ctx: Any, of_rotated: Tensor) -> Any:
        """The gradient of the values."""
        values, weight = ctx.saved_tensors
        with torch.cuda.device(values.device):
            of_values = ctx.kernels.normalise_and_rotate_back(
                values, weight, ctx.rotation, of_rotated, **ctx.options
            )
        return None, of_values, None, None, None, None


class ChangedLinear(torch.autograd.Function):
    """given @ (weight + scale * up @ down).T + bias, without that sum; gradients for the input and
    the change. The change is added by its own matrix product: autograd would make two more passes
    over the output, and two over each gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        given: Tensor,  # [S, in]
        weight: Tensor,  # [out, in], frozen
        bias: Tensor,  # frozen
        down: Tensor,  # [rank, in]
        up: Tensor,  # [out, rank]
        scale: float,
    ) -> Tensor:
        """The layer with its change; keep the input."""
        hidden = given @ down.T
        ctx.save_for_backward(given, weight, down, up, hidden)
        ctx.scale = scale
        output: Tensor = functional.linear(given, weight, bias)
        return output.addmm_(hidden, up.T, alpha=scale)

    @staticmethod
    def backward(ctx: Any, of_output: Tensor) -> Any:
        """The gradients of the input, of `down` and of `up`."""
        given, weight, down, up, hidden = ctx.saved_tensors
        of_hidden = ctx.scale * (of_output @ up)
        of_given = None
        if ctx.needs_input_grad[0]:
            of_given = (of_output @ weight).addmm_(of_hidden, down)
        of_down = of_hidden.T @ given
        of_up = ctx.scale * (of_output.T @ hidden)
        return of_given, None, None, of_down, of_up, None
