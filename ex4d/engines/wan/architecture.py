"""Wan's models, made to the sizes that their weights have.

Everything is read from the tensors' shapes, but for what all of Wan's models share and no tensor
tells: see `Family`; and there are 16 heads in the image encoder.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ex4d.engines.wan.diffsynth import (
    make_public_text_encoder,
    make_vision_transformer,
    without_values,
)
from ex4d.engines.wan.model import Sizes, WanTransformer
from ex4d.engines.wan.vae.model import WanVae
from ex4d.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ex4d.engines.wan.weights import Shapes

__all__ = [
    "WAN",
    "Family",
    "make_image_encoder",
    "make_text_encoder",
    "make_transformer",
    "make_vae",
]

_IMAGE_HEADS = 16
_IMAGE_WIDTH = 1280


@dataclass(frozen=True)
class Family:
    """What models that were trained alike have in common."""

    head_width: int = 128  # of the transformer's attention
    text_tokens: int = 512  # prompts are padded with zeros to this length
    lora_alpha: float = 16  # the public EX-4D code's; a change counts alpha / rank


WAN = Family()  # all published Wan2.1 transformers, and EX-4D's adapter


def make_transformer(shapes: Shapes, family: Family = WAN) -> WanTransformer:
    """Make the image-to-video transformer, without values."""
    dim, in_dim, *patch_size = _shape(shapes, "patch_embedding.weight", 5, "the transformer")
    if dim % family.head_width:
        raise WeightsError(
            f"the transformer is {dim} wide; it must be a multiple of {family.head_width}"
        )
    out_width = _shape(shapes, "head.head.weight", 2, "the transformer")[0]
    sizes = Sizes(
        dim=dim,
        in_dim=in_dim,
        ffn_dim=_shape(shapes, "blocks.0.ffn.0.weight", 2, "the transformer")[0],
        out_dim=out_width // math.prod(patch_size),
        text_dim=_shape(shapes, "text_embedding.0.weight", 2, "the transformer")[1],
        freq_dim=_shape(shapes, "time_embedding.0.weight", 2, "the transformer")[1],
        patch_size=(patch_size[0], patch_size[1], patch_size[2]),
        num_heads=dim // family.head_width,
        num_layers=_count(shapes, r"blocks\.(\d+)\."),
    )
    if sizes.out_dim >= in_dim:
        raise WeightsError("the transformer is one for text to video; image to video is needed")
    with without_values():
        return WanTransformer(sizes)


def make_text_encoder(shapes: Shapes) -> Any:
    """Make the text encoder (umt5-xxl), without values."""
    what = "the text encoder"
    vocab, dim = _shape(shapes, "token_embedding.weight", 2, what)
    buckets, heads = _shape(shapes, "blocks.0.pos_embedding.embedding.weight", 2, what)
    return make_public_text_encoder(
        vocab=vocab,
        dim=dim,
        dim_attn=_shape(shapes, "blocks.0.attn.q.weight", 2, what)[0],
        dim_ffn=_shape(shapes, "blocks.0.ffn.fc1.weight", 2, what)[0],
        num_heads=heads,
        num_layers=_count(shapes, r"blocks\.(\d+)\."),
        num_buckets=buckets,
    )


def make_vae(shapes: Shapes) -> WanVae:
    """Make the video autoencoder, without values."""
    dim = _shape(shapes, "encoder.conv1.weight", 5, "the VAE")[0]
    z_dim = _shape(shapes, "conv2.weight", 5, "the VAE")[0]
    blocks = [name for name in shapes if re.fullmatch(r"encoder\.downsamples\.\d+\.\S+", name)]
    n_residuals = len({n.split(".")[2] for n in blocks if ".residual.2.weight" in n}) // 4
    with without_values():
        return WanVae(dim, z_dim, n_residuals)


def make_image_encoder(shapes: Shapes) -> Any:
    """Make the image encoder's vision part (CLIP ViT-H/14), without values."""
    what = "the image encoder"
    dim, _, patch_size, _ = _shape(shapes, "visual.patch_embedding.weight", 4, what)
    if dim != _IMAGE_WIDTH:
        raise WeightsError(f"the image encoder is {dim} wide; Wan's is {_IMAGE_WIDTH}")
    n_positions = _shape(shapes, "visual.pos_embedding", 3, what)[1]
    hidden = _shape(shapes, "visual.transformer.0.mlp.0.weight", 2, what)[0]
    return make_vision_transformer(
        image_size=patch_size * math.isqrt(n_positions - 1),
        patch_size=patch_size,
        dim=dim,
        mlp_ratio=hidden / dim,
        out_dim=_shape(shapes, "visual.head", 2, what)[1],
        num_heads=_IMAGE_HEADS,
        num_layers=_count(shapes, r"visual\.transformer\.(\d+)\."),
        activation="gelu",
    )


def _shape(shapes: Shapes, name: str, n_sides: int, what: str) -> tuple[int, ...]:
    shape = shapes.get(name)
    if shape is None:
        raise WeightsError(f"these are not the weights of {what}: there is no {name} in the file")
    if len(shape) != n_sides or not all(shape):
        raise WeightsError(f"{name} of {what} has {len(shape)} dimensions, not {n_sides}")
    return shape


def _count(names: Iterable[str], pattern: str) -> int:
    found = [int(match[1]) for name in names if (match := re.match(pattern, name))]
    return max(found, default=-1) + 1
