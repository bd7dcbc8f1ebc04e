"""Weights and inputs that follow from a few numbers, so that a golden file need not hold them.

Values are even ones from PCG64's integers, whose stream NumPy promises never to change, scaled so
that a signal keeps its size through a layer.
"""

from __future__ import annotations

import itertools
import math
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from ex4d.engines.wan.diffsynth import without_values
from ex4d.engines.wan.geometry import GeometryEncoder
from ex4d.engines.wan.model import Sizes, WanTransformer
from ex4d.engines.wan.weights import StoredTensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ex4d.engines.wan.weights import Shapes

__all__ = ["Recipe"]

_CHANGED = [f"{kind}_attn.{part}" for kind, part in itertools.product(("self", "cross"), "qkvo")]
_CHANGED += ["ffn.0", "ffn.2"]
_LATENT_CHANNELS = 16
_IMAGE_FEATURES = (1, 257, 1280)
_UNIT = math.sqrt(3)  # even values from -1 to 1, times this, vary by 1


@dataclass(frozen=True)
class Recipe:
    """What everything follows from."""

    seed: int
    sizes: Sizes
    rank: int  # of the low-rank changes
    hidden_dim: int  # of the geometry encoder
    grid: tuple[int, int, int]  # latents: frames, rows, columns
    text_lengths: tuple[int, int]  # tokens of the two prompts

    @classmethod
    def of(cls, facts: Mapping[str, str]) -> Recipe:
        """Read it from a golden file's metadata."""
        return cls(
            seed=int(facts["recipe"]),
            sizes=Sizes(
                dim=int(facts["dim"]),
                in_dim=int(facts["in_dim"]),
                ffn_dim=int(facts["ffn_dim"]),
                out_dim=int(facts["out_dim"]),
                text_dim=int(facts["text_dim"]),
                freq_dim=int(facts["freq_dim"]),
                num_heads=int(facts["num_heads"]),
                num_layers=int(facts["num_layers"]),
            ),
            rank=int(facts["lora_rank"]),
            hidden_dim=int(facts["hidden_dim"]),
            grid=(int(facts["frames"]), int(facts["height"]), int(facts["width"])),
            text_lengths=(int(facts["tokens_pos"]), int(facts["tokens_neg"])),
        )

    def weights(self) -> dict[str, StoredTensor]:
        """The transformer's."""
        with without_values():
            model = WanTransformer(self.sizes)
        return self._made({name: tuple(t.shape) for name, t in model.state_dict().items()})

    def checkpoint(self) -> dict[str, StoredTensor]:
        """EX-4D's file: the low-rank changes, and the geometry encoder."""
        whole = {name: tensor.shape for name, tensor in self.weights().items()}
        shapes = {}
        for block, part in itertools.product(range(self.sizes.num_layers), _CHANGED):
            name = f"blocks.{block}.{part}"
            n_out, n_in = whole[f"{name}.weight"]
            shapes[f"{name}.lora_A.default.weight"] = (self.rank, n_in)
            shapes[f"{name}.lora_B.default.weight"] = (n_out, self.rank)
        with without_values():
            encoder = GeometryEncoder(
                _LATENT_CHANNELS, self.hidden_dim, self.sizes.dim, self.sizes.patch_size
            )
        shapes |= {name: tuple(t.shape) for name, t in encoder.state_dict().items()}
        return self._made(shapes)

    def inputs(self) -> dict[str, Tensor]:
        """Noise, encoded conditions, prompts and first frame, as a golden file names them."""
        latents = (1, _LATENT_CHANNELS, *self.grid)
        given_channels = self.sizes.in_dim - _LATENT_CHANNELS
        shapes: Shapes = {
            "noise": latents,
            "video_latent": latents,
            "mask_latent": latents,
            "y": (1, given_channels, *self.grid),
            "clip_fea": _IMAGE_FEATURES,
            "context_pos": (1, self.text_lengths[0], self.sizes.text_dim),
            "context_neg": (1, self.text_lengths[1], self.sizes.text_dim),
        }
        return {name: self._even(name, shape) * _UNIT for name, shape in shapes.items()}

    def _made(self, shapes: Shapes) -> dict[str, StoredTensor]:
        where = Path(f"the golden file's recipe {self.seed}")
        return {
            name: StoredTensor(where, shape, partial(self._weight, name, shape))
            for name, shape in shapes.items()
        }

    def _weight(self, name: str, shape: tuple[int, ...]) -> Tensor:
        values = self._even(name, shape)
        if len(shape) == 1:
            return 1 + values / 5 if name.endswith("weight") else values / 10
        return values * (_UNIT / math.sqrt(math.prod(shape[1:])))

    def _even(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """Values between -1 and 1, float32."""
        stream = np.random.PCG64([self.seed, zlib.crc32(name.encode())])
        whole = stream.random_raw(math.prod(shape)) >> np.uint64(40)  # 24 bits: exact in float32
        values = whole.astype(np.float32) / np.float32(1 << 23) - np.float32(1)
        return torch.from_numpy(values.reshape(shape))
