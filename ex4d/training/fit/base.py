"""The frozen transformer, loaded and placed for training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ex4d.engines.wan.architecture import WAN, make_transformer
from ex4d.engines.wan.transformer import Transformer, compute_dtype
from ex4d.engines.wan.weights import assign, open_tensors, shapes_of
from ex4d.training.fit.blocks import TrainingBlocks, resident_blocks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ex4d.engines.wan.model import WanTransformer
    from ex4d.training.cache.files import CacheSettings
    from ex4d.training.fit.settings import TrainSettings

__all__ = ["load_base", "place_base"]

_GIB = 1 << 30


def load_base(
    paths: tuple[Path, ...], device: torch.device, report: Callable[[int, int], None]
) -> WanTransformer:
    """Load a WanTransformer onto the device, frozen. Raises WeightsError."""
    tensors = open_tensors(paths)
    model = make_transformer(shapes_of(tensors))
    dtype = compute_dtype(device)
    assign(model, tensors, "the transformer", dtype, report=report, device=device)
    return model


def place_base(
    model: WanTransformer, cache: CacheSettings, settings: TrainSettings, device: torch.device
) -> tuple[Transformer, str]:
    """Place a frozen WanTransformer for training on clips of a cache, as the settings and the GPU's
    memory say; return it ready to run, and where its blocks are, in words."""
    frames, rows, columns = model.sizes.patch_size
    n_latents = 1 + (cache.num_frames - 1) // 4
    n_tokens = (n_latents // frames) * (cache.height // 8 // rows) * (cache.width // 8 // columns)
    block_bytes = sum(p.numel() * p.element_size() for p in model.blocks[0].parameters())
    vram_gib: float = settings.vram or 1 << 20
    if not settings.vram and device.type == "cuda":
        vram_gib = torch.cuda.get_device_properties(device).total_memory / _GIB
    width = model.sizes.dim
    n_resident = resident_blocks(vram_gib, len(model.blocks), block_bytes, n_tokens, width)
    blocks = TrainingBlocks(model, device, n_resident=n_resident, shard=settings.shard)
    return Transformer(model, blocks, device, WAN.text_tokens), blocks.describe()
