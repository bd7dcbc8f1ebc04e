"""A block of Wan's transformer with the names of its weights: the public code's
`WanAttentionBlock`, diffsynth's `DiTBlock`.

    x = x + gate * self_attn(norm1(x) * (1 + scale) + shift)
    x = x + cross_attn(norm3(x))
    x = x + gate * ffn(norm2(x) * (1 + scale) + shift)

A sum, and the norm that follows it, are one pass over the memory: therefore a block returns its
last sum undone, and the next one does it. The sum of the tokens, all norms, shifts, scales and
gates are float32; what enters and leaves a matrix product has the format of the weights.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ex4d.engines.wan import plain
from ex4d.engines.wan.cross_keys import Context, KeysAndValues, Text
from ex4d.engines.wan.fp8 import Rows, multiply
from ex4d.engines.wan.fused import (
    add_and_normalise,
    attend_to_context,
    normalise_and_rotate,
    round_rows,
)
from ex4d.engines.wan.with_gradients import ChangedLinear

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ex4d.engines.wan.rotation import Rotation

__all__ = ["EPS", "Block", "Change", "Linear", "Stream"]

EPS = 1e-6  # of all norms


class Stream(NamedTuple):  # passes through autograd's and FSDP's trees of tensors
    """The tokens between two blocks: tokens + gate * update."""

    tokens: Tensor  # float32 [S, dim]
    update: Tensor | None = None  # [S, dim]
    gate: Tensor | None = None  # float32 [dim]

    def settled(self) -> Stream:
        """The same, summed."""
        if self.update is None:
            return self
        if self.gate is None:
            return Stream(self.tokens + self.update)
        return Stream(torch.addcmul(self.tokens, self.update, self.gate))


class Change(NamedTuple):
    """A low-rank change of a linear layer: scale * up @ down."""

    down: Tensor  # [rank, in]
    up: Tensor  # [out, rank]
    scale: float


class Linear(nn.Linear):
    """A linear layer that may have a change beside its weight, which is frozen then; or a weight in
    fp8, with the scales of its rows."""

    change: Change | None = None

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out)
        self.register_parameter("scales", None)

    def forward(self, given: Tensor | Rows) -> Tensor:
        """The layer, and its change."""
        if self.scales is not None:
            rows = given if isinstance(given, Rows) else round_rows(given)
            product = multiply(rows, Rows(self.weight, self.scales), self.bias)
            return product if self.change is None else _with_change(product, rows, self.change)
        assert not isinstance(given, Rows)  # noqa: S101
        if self.change is None:
            output: Tensor = functional.linear(given, self.weight, self.bias)
            return output
        down, up = self.change.down.to(given.dtype), self.change.up.to(given.dtype)
        changed: Tensor = ChangedLinear.apply(
            given, self.weight, self.bias, down, up, self.change.scale
        )
        return changed


def _with_change(product: Tensor, given: Rows, change: Change) -> Tensor:
    """A product of rounded numbers, and what a change that is not rounded adds to it."""
    dtype = product.dtype
    hidden = given.values.to(dtype) @ change.down.to(dtype).T
    hidden *= given.scales[:, None].to(dtype)
    return product.addmm_(hidden, change.up.to(dtype).T, alpha=change.scale)


def _linear_gelu(layer: nn.Module, given: Tensor | Rows) -> Tensor | Rows:
    """A linear layer and GELU in its tanh form: on a GPU in one kernel where nothing forbids."""
    if isinstance(given, Rows):
        return round_rows(layer(given), gelu=True)
    is_plain = isinstance(layer, Linear) and layer.change is None
    if is_plain and given.is_cuda and not torch.is_grad_enabled():
        fused: Tensor = torch._addmm_activation(layer.bias, given, layer.weight.T, use_gelu=True)
        return fused
    return functional.gelu(layer(given), approximate="tanh")


class _RmsNorm(nn.Module):
    """A norm over all heads together; see `plain.normalise`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, values: Tensor) -> Tensor:
        """In the format of the values."""
        return plain.normalise(values, self.weight, eps=EPS).to(values.dtype)


class _SelfAttention(nn.Module):
    def __init__(self, dim: int, head_width: int) -> None:
        super().__init__()
        self.head_width = head_width
        self.q, self.k, self.v, self.o = (Linear(dim, dim) for _ in range(4))
        self.norm_q, self.norm_k = _RmsNorm(dim), _RmsNorm(dim)

    def forward(self, tokens: Tensor | Rows, rotation: Rotation) -> Tensor:
        turn = partial(normalise_and_rotate, rotation=rotation, head_width=self.head_width, eps=EPS)
        queries = turn(self.q(tokens), self.norm_q.weight)
        keys = turn(self.k(tokens), self.norm_k.weight)
        attended: Tensor = self.o(plain.attend(queries, keys, self.v(tokens), self.head_width))
        return attended


class _CrossAttention(nn.Module):
    """Attention to a prompt and, beside it, to the first frame (`k_img`, `v_img`)."""

    def __init__(self, dim: int, head_width: int) -> None:
        super().__init__()
        self.head_width = head_width
        self.q, self.k, self.v, self.o = (Linear(dim, dim) for _ in range(4))
        self.norm_q, self.norm_k = _RmsNorm(dim), _RmsNorm(dim)
        self.k_img, self.v_img = Linear(dim, dim), Linear(dim, dim)
        self.norm_k_img = _RmsNorm(dim)

    def forward(
        self, tokens: Tensor | Rows, context: Context, keep: Callable[..., KeysAndValues]
    ) -> Tensor:
        text = keep(context.text.tokens, lambda: self.of_text(context.text))
        image = keep(context.image, lambda: self.of_image(context.image))
        attended = attend_to_context(
            self.q(tokens), self.norm_q.weight, text, image, head_width=self.head_width, eps=EPS
        )
        output: Tensor = self.o(attended)
        return output

    def of_text(self, text: Text) -> KeysAndValues:
        keys, values = self.norm_k(self.k(text.tokens)), self.v(text.tokens)
        return KeysAndValues(keys, values, text.last_counts)

    def of_image(self, image: Tensor) -> KeysAndValues:
        return KeysAndValues(self.norm_k_img(self.k_img(image)), self.v_img(image))


class Block(nn.Module):
    """Self attention, cross attention and a feed-forward network."""

    def __init__(self, dim: int, ffn_dim: int, head_width: int) -> None:
        super().__init__()
        self.modulation = nn.Parameter(torch.zeros(1, 6, dim))
        self.self_attn = _SelfAttention(dim, head_width)
        self.norm3 = nn.LayerNorm(dim, eps=EPS)
        self.cross_attn = _CrossAttention(dim, head_width)
        self.ffn = nn.Sequential(Linear(dim, ffn_dim), nn.Identity(), Linear(ffn_dim, dim))

    def forward(
        self,
        streams: Sequence[Stream],  # of the branches of the guidance
        contexts: Sequence[Context],
        time: Tensor,  # float32 [1, 6, dim]
        rotation: Rotation,
        keep: Callable[..., KeysAndValues] = lambda source, compute: compute(),
    ) -> list[Stream]:
        """Run all branches. Those that enter alike look at themselves once: in the first block
        there is only one. `keep` gives a context's keys and values, which it may have kept."""
        firsts = self.self_attn.q, self.cross_attn.q, self.ffn[0]
        formats = [layer.weight.dtype for layer in firsts]  # of what they want to be given
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = (self.modulation.float() + time)[0]
        weight_3, bias_3 = self.norm3.weight.float(), self.norm3.bias.float()
        results: list[Stream] = []
        shared: Stream | None = None
        is_shared = len(streams) > 1 and all(_are_same(streams[0], other) for other in streams)
        for stream, context in zip(streams, contexts, strict=True):
            looked = shared
            if looked is None:
                tokens, normed = _then(stream, 1 + scale_1, shift_1, formats[0])
                looked = Stream(tokens, self.self_attn(normed, rotation), gate_1)
            shared = looked if is_shared else None
            tokens, normed = _then(looked, weight_3, bias_3, formats[1])
            looked = Stream(tokens, self.cross_attn(normed, context, keep))
            tokens, normed = _then(looked, 1 + scale_2, shift_2, formats[2])
            hidden = _linear_gelu(self.ffn[0], normed)
            results.append(Stream(tokens, self.ffn[2](hidden), gate_2))
        return results


def _then(
    stream: Stream, scale: Tensor, shift: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor | Rows]:
    return add_and_normalise(*stream, scale, shift, eps=EPS, dtype=dtype)


def _are_same(one: Stream, other: Stream) -> bool:
    return all(a is b for a, b in zip(one, other, strict=True))
