"""Runs Wan's transformer: the velocity of noisy latents, steered by the conditions.

What does not change between steps is computed once, the geometry latent is added to the tokens, and
both branches of the guidance go through a block while it is on the GPU. As in the public code,
linear layers and attention run in bfloat16 on a GPU, and the tokens' sum, norms, the time embedding
and the head in float32. There this is `WanModel.forward`, in diffsynth `model_fn_wan_video`;
EX-4D's own part of it is the line `x = x + ray_latent` after the patch embedding.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ex4d.engines.wan.block import Stream
from ex4d.engines.wan.cross_keys import Context, CrossKeys, Text
from ex4d.engines.wan.fused import warm_up
from ex4d.engines.wan.model import time_table
from ex4d.engines.wan.overlay import Overlay, make_overlay
from ex4d.engines.wan.rotation import Rotation, rotation_of
from ex4d.engines.wan.streaming import BlockStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from torch import Tensor

    from ex4d.engines.wan.model import WanTransformer
    from ex4d.engines.wan.steps_lora import StepsLora
    from ex4d.engines.wan.weights import StoredTensor

__all__ = ["Conditioning", "TimeEmbedding", "Transformer", "autocast", "compute_dtype"]


@dataclass(frozen=True)
class Conditioning:
    """What the transformer gets besides noise, for one window of a clip."""

    first_frame: (
        Tensor  # [1, 20, T', h, w]: `y`, four channels of mask and the first frame's latent
    )
    geometry: Tensor | None  # [1, dim, T', h/2, w/2]
    image: Tensor  # [257, dim], embedded


@dataclass(frozen=True)
class TimeEmbedding:
    """A timestep as the blocks and the head want it, float32."""

    head: Tensor  # [1, dim]
    blocks: Tensor  # [1, 6, dim]


def compute_dtype(device: torch.device) -> torch.dtype:
    """The format of the weights on a device."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def autocast(device: torch.device) -> Any:
    """Run what is inside in bfloat16 on a GPU, and as it is elsewhere.

    Nothing rounded is kept: in training a block runs twice and must do the same each time.
    """
    is_gpu = device.type == "cuda"
    return torch.autocast(device.type, torch.bfloat16, enabled=is_gpu, cache_enabled=False)


class Transformer:
    """A WanTransformer on a device; its blocks come from `blocks`, ready to run."""

    def __init__(
        self,
        model: WanTransformer,
        blocks: Iterable[Callable[..., list[Stream]]],
        device: torch.device,
        text_tokens: int,
    ) -> None:
        self._model = model
        self._blocks = blocks
        self._device = device
        self._text_tokens = text_tokens
        self._rotations: dict[tuple[int, int, int], Rotation] = {}
        self._is_warm = False
        for part in (model.patch_embedding, model.text_embedding, model.img_emb):
            part.to(device)
        model.head.to(device, torch.float32)
        # A few timesteps for each clip: not worth 0.6 GB of the GPU.
        model.time_embedding.to("cpu", torch.float32)
        model.time_projection.to("cpu", torch.float32)

    @property
    def latent_channels(self) -> int:
        """How many channels the latents have."""
        return self._model.sizes.out_dim

    @property
    def n_blocks(self) -> int:
        """How many blocks the transformer has."""
        return len(self._model.blocks)

    def warm_up(self, report: Callable[[int, int], None]) -> None:
        """Compile the kernels, once; `report` gets how many are ready and how many there are, and
        may raise. On a machine that has done so before they come from the disk."""
        if not self._is_warm:
            warm_up(self._model.sizes.dim, self._model.head_width, self._device, report)
            self._is_warm = True

    def overlay_of(self, lora: StepsLora, stored: Mapping[str, StoredTensor]) -> Overlay:
        """What a LoRA makes of this transformer, which was loaded from `stored`. Raises
        WeightsError."""
        dtype = compute_dtype(self._device)
        return make_overlay(lora, self._model, stored, device=self._device, dtype=dtype)

    @contextmanager
    def under(self, overlay: Overlay) -> Iterator[None]:
        """Work with what an overlay puts in place of the transformer's own, for all of a clip."""
        if not isinstance(self._blocks, BlockStream):
            raise TypeError("only blocks of a BlockStream can have an overlay")
        with self._blocks.replacing(overlay.in_blocks), overlay.on(self._model):
            yield

    @torch.no_grad()
    def embed_times(self, timesteps: Tensor) -> list[TimeEmbedding]:
        """Embed timesteps, float32 of 0 to 1000, in float32; together, since each time a CPU needs
        30 ms for the weights alone."""
        model = self._model
        heads = model.time_embedding(time_table(model.sizes.freq_dim, timesteps.float().cpu()))
        blocks = model.time_projection(heads).unflatten(1, (1, 6, model.sizes.dim))
        pairs = zip(heads.to(self._device), blocks.to(self._device), strict=True)
        return [TimeEmbedding(head[None], block) for head, block in pairs]

    def embed_time(self, timestep: Tensor) -> TimeEmbedding:
        """Embed one timestep."""
        embedded: TimeEmbedding = self.embed_times(timestep.reshape(1))[0]
        return embedded

    @torch.no_grad()
    def embed_text(self, context: Tensor) -> Text:
        """Embed an encoded prompt [L, text_dim] and the zeros that it is padded with."""
        n_zeros = self._text_tokens - len(context)
        padded = torch.cat([context, context.new_zeros(min(n_zeros, 1), context.shape[1])])
        with autocast(self._device):
            embedded = self._model.text_embedding(self._input(padded))
        return Text(self._input(embedded), max(n_zeros, 1))

    @torch.no_grad()
    def embed_image(self, features: Tensor) -> Tensor:
        """Embed the image encoder's features [1, 257, 1280]: [257, dim]."""
        with autocast(self._device):
            embedded = self._model.img_emb(self._input(features))
        return self._input(embedded[0])

    def velocities(
        self,
        latents: Tensor,  # float32 [1, C, T', h, w]
        time: TimeEmbedding,
        texts: Sequence[Text],  # of the branches of the guidance
        conditioning: Conditioning,
        kept: CrossKeys | None = None,
    ) -> list[Tensor]:  # float32 [1, C, T', h, w] for each text
        """Predict the velocity under each of the texts. Gradients reach the geometry latent, and
        what a block adds to its frozen weights, unless the caller turned them off. `kept` saves
        work between calls that have texts and first frame in common."""
        model = self._model
        grid = model.grid(latents)
        rotation = self._rotation(grid)
        contexts = [Context(text, conditioning.image) for text in texts]
        streams = [Stream(self._tokens(latents, conditioning))] * len(texts)
        for number, block in enumerate(self._blocks):
            keep = () if kept is None else (kept.of_block(number),)
            streams = block(streams, contexts, time.blocks, rotation, *keep)
        return [model.latents(model.head(stream, time.head), grid) for stream in streams]

    def _tokens(self, latents: Tensor, conditioning: Conditioning) -> Tensor:
        """The tokens that enter the first block, float32 [S, dim], one after the other in memory:
        everything that follows is several times slower otherwise."""
        stacked = torch.cat([latents, conditioning.first_frame.to(latents)], dim=1)
        tokens = self._model.tokens(self._input(stacked)).float()
        geometry = conditioning.geometry
        if geometry is not None:
            grid = (self._model.sizes.dim, *self._model.grid(latents))
            if tuple(geometry.shape[1:]) != grid:
                raise ValueError(f"tokens {grid}, geometry {tuple(geometry.shape[1:])}")
            tokens = tokens + geometry[0].flatten(1).T
        return tokens.contiguous()

    def _input(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._device, compute_dtype(self._device))

    def _rotation(self, grid: tuple[int, int, int]) -> Rotation:
        if grid not in self._rotations:
            self._rotations = {grid: rotation_of(grid, self._model.head_width, self._device)}
        return self._rotations[grid]
