"""What is trained: low-rank changes of the transformer's linear layers, and the geometry encoder.

Everything is float32. The names and shapes of its tensors are those of the released `ex4d.ckpt`:
for Wan2.1-I2V-14B 400 pairs and 8 tensors of the encoder, 808 in all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ex4d.engines.wan.architecture import WAN
from ex4d.engines.wan.checkpoint import read_checkpoint
from ex4d.engines.wan.geometry import GeometryEncoder
from ex4d.engines.wan.lora import add_change
from ex4d.engines.wan.weights import check_names, open_tensors
from ex4d.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ex4d.engines.wan.weights import Shapes

__all__ = ["HIDDEN", "Adapter", "make_adapter"]

HIDDEN = 1024  # channels inside the geometry encoder
_TARGET = re.compile(r"(blocks\.\d+\.((self|cross)_attn\.[qkvo]|ffn\.[02]))\.weight")


class Adapter(nn.Module):
    """Low-rank changes by the names of the layers, and the encoder."""

    def __init__(
        self, layers: Mapping[str, tuple[int, ...]], rank: int, encoder: nn.Module
    ) -> None:
        super().__init__()
        self.rank = rank
        self.encoder = encoder
        self._layers = tuple(layers)
        self.downs = nn.ParameterList(torch.empty(rank, shape[1]) for shape in layers.values())
        self.ups = nn.ParameterList(torch.zeros(shape[0], rank) for shape in layers.values())
        for down in self.downs:
            bound = down.shape[1] ** -0.5  # nn.Linear's own, which peft takes too
            nn.init.uniform_(down, -bound, bound)

    def tensors(self) -> dict[str, nn.Parameter]:
        """All that is trained, by its name in a checkpoint."""
        named = dict(self.encoder.named_parameters())
        for layer, down, up in zip(self._layers, self.downs, self.ups, strict=True):
            named[f"{layer}.lora_A.default.weight"] = down
            named[f"{layer}.lora_B.default.weight"] = up
        return named

    def change(self, transformer: Any) -> None:
        """Let the layers of a WanTransformer add their changes from now on."""
        for layer, down, up in zip(self._layers, self.downs, self.ups, strict=True):
            scale = WAN.lora_alpha / self.rank
            add_change(transformer.get_submodule(layer), down, up, scale)

    @torch.no_grad()
    def load(self, path: Path, transformer: Shapes) -> None:
        """Take the values of a checkpoint. Raises WeightsError, and UsageError for one of another
        rank."""
        pairs = read_checkpoint(path, transformer).lora
        rank = next(iter(pairs.values())).rank
        if rank != self.rank:
            raise UsageError(f"{path} has rank {rank}, and rank {self.rank} was asked for")
        stored, ours = open_tensors([path]), self.tensors()
        stored = {_with_infix(name): tensor for name, tensor in stored.items()}
        check_names(stored, {name: tuple(p.shape) for name, p in ours.items()}, "the adapter")
        for name, parameter in ours.items():
            parameter.copy_(stored[name].load())


def make_adapter(transformer: Shapes, rank: int, seed: int, hidden: int = HIDDEN) -> Adapter:
    """Make an adapter that has no effect yet, for a transformer of these shapes."""
    layers = {m[1]: s for name, s in transformer.items() if (m := _TARGET.fullmatch(name))}
    dim, _, *patch_size = transformer["patch_embedding.weight"]
    latent_dim = transformer["head.head.weight"][0] // torch.Size(patch_size).numel()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = GeometryEncoder(latent_dim, hidden, dim, tuple(patch_size))
        return Adapter(layers, rank, encoder)


def _with_infix(name: str) -> str:
    """peft writes the adapter's name into the names; other tools leave it out."""
    return re.sub(r"\.lora_([AB])\.weight$", r".lora_\1.default.weight", name)
