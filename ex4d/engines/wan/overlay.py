"""Values and changes that take the place of a transformer's own for one clip, and leave it as it
was: the step-distilled LoRA, on a model that also works without it.

The change of a block's matrix runs beside it. Added to the weights instead, these would be there
twice, or be read anew for the next clip without it. What is small is replaced.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ex4d.engines.wan.block import Change
from ex4d.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from ex4d.engines.wan.checkpoint import LoraPair
    from ex4d.engines.wan.steps_lora import StepsLora
    from ex4d.engines.wan.weights import StoredTensor

__all__ = ["Overlay", "make_overlay"]


@dataclass(frozen=True)
class Overlay:
    """What takes whose place, by the names of weights."""

    changes: dict[str, Change]  # of the blocks' matrices
    in_blocks: dict[int, dict[str, Tensor]]  # by the block's number and the name inside it
    around: dict[str, Tensor]  # of the parts around the blocks

    @contextmanager
    def on(self, model: Any) -> Iterator[None]:
        """Put `changes` and `around` onto a WanTransformer; `in_blocks` is for what gives out its
        blocks (`BlockStream.replacing`)."""
        layers = [(model.get_submodule(_part(name)), new) for name, new in self.changes.items()]
        parameters = [(model.get_parameter(name), new) for name, new in self.around.items()]
        changes = [layer.change for layer, _ in layers]
        values = [parameter.data for parameter, _ in parameters]
        try:
            for layer, change in layers:
                layer.change = change
            for parameter, value in parameters:
                parameter.data = value
            yield
        finally:
            for (layer, _), change in zip(layers, changes, strict=True):
                layer.change = change
            for (parameter, _), value in zip(parameters, values, strict=True):
                parameter.data = value


def make_overlay(
    lora: StepsLora,
    model: Any,
    stored: Mapping[str, StoredTensor],
    *,
    device: torch.device,
    dtype: torch.dtype,
) -> Overlay:
    """What a LoRA makes of a WanTransformer whose own weights are `stored`. Raises WeightsError.

    The blocks' parameters may lie anywhere just now, so that theirs are read again.
    """
    overlay = Overlay({}, {}, {})
    for name, pair in lora.pairs.items():
        if name.startswith("blocks."):
            own = model.get_submodule(_part(name)).change
            overlay.changes[name] = _joined(own, _change(pair, lora.scales[name], device, dtype))
        else:
            value = model.get_parameter(name)
            down, up = _finite(pair.down).float(), _finite(pair.up).float()
            sum_ = torch.addmm(value.float().cpu(), up, down, alpha=lora.scales[name])
            overlay.around[name] = sum_.to(value)
    for name, difference in lora.differences.items():
        added = _finite(difference).float()
        if name.startswith("blocks."):
            _, number, inside = name.split(".", 2)
            sum_ = (stored[name].load().float() + added).to(device, dtype)
            overlay.in_blocks.setdefault(int(number), {})[inside] = sum_
        else:
            value = overlay.around.get(name, model.get_parameter(name).data)
            overlay.around[name] = (value.float().cpu() + added).to(value)
    return overlay


def _change(pair: LoraPair, scale: float, device: torch.device, dtype: torch.dtype) -> Change:
    return Change(_finite(pair.down).to(device, dtype), _finite(pair.up).to(device, dtype), scale)


def _joined(one: Change | None, other: Change) -> Change:
    """Both changes as one."""
    if one is None:
        return other
    ups = (change.up * change.scale for change in (one, other))
    return Change(torch.cat([one.down, other.down]), torch.cat([*ups], dim=1), 1.0)


def _finite(tensor: StoredTensor) -> Tensor:
    value = tensor.load()
    if not torch.isfinite(value).all():
        raise WeightsError(f"{tensor.path} holds what is not finite: the file is damaged")
    return value


def _part(name: str) -> str:
    return name.removesuffix(".weight")
