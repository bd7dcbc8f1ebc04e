"""From files of weights to models that are ready to run."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import torch

from ex4d.engines.wan.architecture import (
    WAN,
    Family,
    make_image_encoder,
    make_text_encoder,
    make_transformer,
    make_vae,
)
from ex4d.engines.wan.checkpoint import read_checkpoint
from ex4d.engines.wan.fp8 import block_bytes, round_blocks
from ex4d.engines.wan.geometry import GeometryEncoder, make_geometry_encoder
from ex4d.engines.wan.lora import add_beside, fuse
from ex4d.engines.wan.memory import MemoryPlan, plan_memory, profile_for
from ex4d.engines.wan.prompts import PromptCache, TextEncoder, fingerprint
from ex4d.engines.wan.steps_lora import read_steps_lora
from ex4d.engines.wan.streaming import BlockStream
from ex4d.engines.wan.transformer import Transformer, compute_dtype
from ex4d.engines.wan.vae.autoencoder import VideoAutoencoder
from ex4d.engines.wan.weights import (
    Shapes,
    StoredTensor,
    assign,
    open_tensors,
    shapes_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

    from ex4d.engines.base import EngineOptions, Precision
    from ex4d.engines.wan.checkpoint import LoraPair
    from ex4d.engines.wan.folder import ModelFiles
    from ex4d.engines.wan.overlay import Overlay
    from ex4d.engines.wan.vae.model import WanVae

__all__ = [
    "Models",
    "load_geometry",
    "load_image_encoder",
    "load_models",
    "load_transformer",
    "load_vae",
    "place_transformer",
    "prompt_encoder",
]

_UNUSED = ("textual.", "log_scale")
_STEPS_LORA_ROOM = 1.2  # of its file: what it changes around the blocks is there twice
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Models:
    """All that makes a clip, on one device."""

    device: torch.device
    plan: MemoryPlan
    transformer: Transformer
    geometry: GeometryEncoder
    vae: VideoAutoencoder
    image_encoder: Any  # a VisionTransformer
    encode_prompts: Callable[[tuple[str, ...]], list[Tensor]]  # [L, text_dim] each
    precision: Precision = "bf16"  # of the transformer's blocks
    # the step-distilled LoRA's, read when it is first wanted; none: there is no such file
    steps_overlay: Callable[[], Overlay] | None = None


def load_models(
    files: ModelFiles,
    options: EngineOptions,
    device: torch.device,
    report: Callable[[int, int], None] = lambda done, total: None,
    precision: Precision = "bf16",
) -> Models:
    """Load all models but the text encoder, which only a new prompt needs. `report` gets how much
    of the transformer is loaded, and may raise. Raises WeightsError."""
    tensors = open_tensors(files.transformer)
    shapes = shapes_of(tensors)
    checkpoint = read_checkpoint(files.checkpoint, shapes)
    if options.steps_lora is not None:
        read_steps_lora(options.steps_lora, shapes)  # a wrong one costs no loading
    geometry = load_geometry(checkpoint.encoder, device)
    vae = load_vae(files.vae, device)
    image_encoder = load_image_encoder(files.image_encoder, device)
    plan = _plan(shapes, options.vram_gib, device, precision, files.steps_lora)
    _log.info("memory: %s", plan.describe(_n_blocks(shapes)))
    transformer = load_transformer(
        tensors,
        checkpoint.lora,
        device=device,
        plan=plan,
        lora_mode=options.lora,
        report=report,
        precision=precision,
    )
    if plan.keeps_encoders:
        vae.to(device)
        image_encoder.to(device)
    encode_prompts = prompt_encoder(files, files.prompts, device)
    autoencoder = VideoAutoencoder(vae, device, plan.tile_px, plan.encoded_px)
    steps_overlay = None
    if files.steps_lora is not None:
        steps_overlay = _lazy_overlay(files.steps_lora, transformer, tensors)
    return Models(
        device,
        plan,
        transformer,
        geometry,
        autoencoder,
        image_encoder,
        encode_prompts,
        precision,
        steps_overlay,
    )


def _lazy_overlay(
    path: Path, transformer: Transformer, stored: Mapping[str, StoredTensor]
) -> Callable[[], Overlay]:
    """A function that reads a step-distilled LoRA for a transformer, at the first call that
    succeeds. It raises WeightsError."""
    made: list[Overlay] = []

    def get() -> Overlay:
        if not made:
            lora = read_steps_lora(path, shapes_of(stored))
            made.append(transformer.overlay_of(lora, stored))
        return made[0]

    return get


def prompt_encoder(
    files: ModelFiles, folder: Path, device: torch.device
) -> Callable[[tuple[str, ...]], list[Tensor]]:
    """Return a function that encodes prompts [L, text_dim] and keeps them in `folder`; it loads the
    text encoder for the first one that is not there. It raises WeightsError, as this one does."""
    cache = PromptCache(folder, fingerprint(files.text_encoder))

    def encode_prompts(prompts: tuple[str, ...]) -> list[Tensor]:
        loaded: list[TextEncoder] = []

        def encode(prompt: str) -> Tensor:
            if not loaded:
                encoder = _load_text_encoder(files.text_encoder, device)
                loaded.append(TextEncoder(encoder, files.tokenizer, device))
            return loaded[0].encode(prompt)

        return [cache.get(prompt, partial(encode, prompt)) for prompt in prompts]

    return encode_prompts


def load_transformer(
    tensors: Mapping[str, StoredTensor],
    lora: Mapping[str, LoraPair],
    *,
    device: torch.device,
    plan: MemoryPlan,
    lora_mode: Literal["fused", "unfused"] = "fused",
    family: Family = WAN,
    report: Callable[[int, int], None] = lambda done, total: None,
    precision: Precision = "bf16",
) -> Transformer:
    """Load the transformer with EX-4D's changes. Raises WeightsError."""
    model = make_transformer(shapes_of(tensors), family)
    dtype = compute_dtype(device)

    def change(name: str, weight: Tensor) -> Tensor:
        if lora_mode == "unfused" or name not in lora:
            return weight
        return fuse(weight, lora[name], alpha=family.lora_alpha, device=device).to(dtype).cpu()

    assign(model, tensors, "the transformer", dtype, change, report)
    if lora_mode == "unfused":
        add_beside(model, lora, device=device, dtype=dtype, alpha=family.lora_alpha)
    return place_transformer(model, device, plan, family, precision)


def place_transformer(
    model: Any,
    device: torch.device,
    plan: MemoryPlan,
    family: Family = WAN,
    precision: Precision = "bf16",
) -> Transformer:
    """Bring a WanTransformer to the device as the plan says."""
    round_blocks(model.blocks, precision, device)
    blocks = BlockStream(
        model.blocks, device=device, n_resident=plan.n_resident, storage=plan.storage
    )
    return Transformer(model, blocks, device, family.text_tokens)


def load_geometry(tensors: Mapping[str, StoredTensor], device: torch.device) -> GeometryEncoder:
    """Load the geometry encoder. Raises WeightsError."""
    encoder = make_geometry_encoder(shapes_of(tensors))
    assign(encoder, tensors, "the geometry encoder", compute_dtype(device))
    encoder.to(device)
    return encoder


def load_vae(path: Path, device: torch.device) -> WanVae:
    """Load the video autoencoder onto the CPU, in the device's format. Raises WeightsError."""
    stored = open_tensors([path])
    vae = make_vae(shapes_of(stored))
    assign(vae, stored, "the VAE", compute_dtype(device))
    return vae


def load_image_encoder(path: Path, device: torch.device) -> Any:
    """Load the image encoder onto the CPU, in the device's format. Raises WeightsError.

    The file holds CLIP's text part too, and a scale, which Wan has no use for.
    """
    stored = open_tensors([path])
    visual = {name: tensor for name, tensor in stored.items() if not name.startswith(_UNUSED)}
    named_as_stored = torch.nn.Module()
    named_as_stored.visual = make_image_encoder(shapes_of(visual))
    assign(named_as_stored, visual, "the image encoder", compute_dtype(device))
    return named_as_stored.visual


def _load_text_encoder(path: Path, device: torch.device) -> Any:
    """Load the text encoder onto the CPU, in the device's format."""
    stored = open_tensors([path])
    encoder = make_text_encoder(shapes_of(stored))
    assign(encoder, stored, "the text encoder", compute_dtype(device))
    return encoder


def _plan(
    shapes: Shapes,
    vram_gib: int | None,
    device: torch.device,
    precision: Precision,
    steps_lora: Path | None,
) -> MemoryPlan:
    n_blocks = _n_blocks(shapes)
    if vram_gib is None:
        free = 1 << 40
        if device.type == "cuda":
            free = torch.cuda.mem_get_info(device)[0]
        vram_gib = profile_for(free)
    first = "blocks.0."
    block = {name.removeprefix(first): s for name, s in shapes.items() if name.startswith(first)}
    as_given = precision if vram_gib >= 24 else "bf16"  # the smallest stores all in fp8 anyway
    size = block_bytes(block, as_given, compute_dtype(device).itemsize)
    width = shapes["patch_embedding.weight"][0]
    more_bytes = 0 if steps_lora is None else int(_STEPS_LORA_ROOM * steps_lora.stat().st_size)
    return plan_memory(vram_gib, n_blocks, size, width, more_bytes)


def _n_blocks(shapes: Shapes) -> int:
    return 1 + max(int(n.split(".")[1]) for n in shapes if n.startswith("blocks."))
