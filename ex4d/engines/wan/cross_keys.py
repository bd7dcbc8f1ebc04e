"""What the cross attention looks at: texts and first frames, and their keys and values.

A prompt is padded with zeros to 512 tokens. All zeros are embedded alike, so their keys are one
key: it is computed once and counts as often as there are zeros.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Context", "CrossKeys", "KeysAndValues", "Text"]

_MOST_BYTES = 1 << 30  # two prompts of 200 tokens and two windows' first frames, of Wan 14B


class Text(NamedTuple):  # these pass through autograd's and FSDP's trees of tensors
    """An embedded prompt."""

    tokens: Tensor  # [L, dim]
    last_counts: int  # how many tokens the last one stands for


class Context(NamedTuple):
    """What the tokens of one branch of the guidance look at."""

    text: Text
    image: Tensor  # [257, dim], embedded


class KeysAndValues(NamedTuple):
    """Of a text or an image, for one block."""

    keys: Tensor  # [L, dim], normed
    values: Tensor  # [L, dim]
    last_counts: int = 1  # how often the last one counts

    def unfolded(self) -> KeysAndValues:
        """The last one repeated, so that each counts once."""
        more = self.last_counts - 1
        repeated = (torch.cat([x, x[-1:].expand(more, -1)]) for x in (self.keys, self.values))
        return KeysAndValues(*repeated) if more else self


class CrossKeys:
    """Keys and values of one job, computed when a block first asks for them.

    What does not fit into the bound is computed each time: the first frames of long clips, one for
    each window, cost less time than they would take memory.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._left = most_bytes
        self._kept: dict[tuple[int, int], tuple[Tensor, KeysAndValues]] = {}

    def of_block(self, number: int) -> Callable[..., KeysAndValues]:
        """A function of a source and of what computes its keys and values, for one block."""
        return partial(self._get, number)

    def _get(
        self, number: int, source: Tensor, compute: Callable[[], KeysAndValues]
    ) -> KeysAndValues:
        key = (number, id(source))  # the source is kept too: no other gets its id
        if key in self._kept:
            return self._kept[key][1]
        made = compute()
        size = sum(x.numel() * x.element_size() for x in (made.keys, made.values))
        if size <= self._left:
            self._left -= size
            self._kept[key] = source, made
        return made
