"""Tiny models with random weights, in diffsynth's own classes, as files in Wan's own layout."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from ex4d.engines.base import NEGATIVE_PROMPT, PROMPT
from ex4d.engines.wan.diffsynth import import_diffsynth
from ex4d.engines.wan.geometry import GeometryEncoder
from ex4d.engines.wan.model import Sizes, WanTransformer

if TYPE_CHECKING:
    from pathlib import Path

DIM, LAYERS, TEXT_DIM, RANK = 128, 3, 32, 4
TRANSFORMER = {
    "dim": DIM,
    "in_dim": 36,
    "ffn_dim": 192,
    "out_dim": 16,
    "text_dim": TEXT_DIM,
    "freq_dim": 32,
    "patch_size": (1, 2, 2),
    "num_heads": 1,
    "num_layers": LAYERS,
}
LORA_TARGETS = [
    *(f"{kind}_attn.{name}" for kind, name in itertools.product(("self", "cross"), "qkvo")),
    "ffn.0",
    "ffn.2",
]


def make_public_transformer(seed: int = 0):
    """In the public code's class."""
    torch.manual_seed(seed)
    sizes = {**TRANSFORMER, "eps": 1e-6, "has_image_input": True}
    return import_diffsynth("models.wan_video_dit").WanModel(**sizes)


def make_transformer(seed: int = 0):
    """With the same values."""
    model = WanTransformer(Sizes(**TRANSFORMER))
    model.load_state_dict(make_public_transformer(seed).state_dict())
    return model


def make_vae(seed: int = 1):
    torch.manual_seed(seed)
    library = import_diffsynth("models.wan_video_vae")
    return library.VideoVAE_(dim=8, z_dim=16, num_res_blocks=1)


def make_image_encoder(seed: int = 2):
    torch.manual_seed(seed)
    library = import_diffsynth("models.wan_video_image_encoder")
    return library.VisionTransformer(
        image_size=32,
        patch_size=2,
        dim=1280,
        mlp_ratio=0.05,
        out_dim=8,
        num_heads=16,
        num_layers=2,
        activation="gelu",
    )


def make_text_encoder(seed: int = 3):
    torch.manual_seed(seed)
    library = import_diffsynth("models.wan_video_text_encoder")
    return library.WanTextEncoder(
        vocab=200, dim=TEXT_DIM, dim_attn=TEXT_DIM, dim_ffn=64, num_heads=2, num_layers=2
    )


def make_checkpoint(*, strength: float = 1.0, seed: int = 4) -> dict[str, torch.Tensor]:
    """An ex4d.ckpt; at strength 0 it changes nothing, as before any training."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {name: p.shape for name, p in make_transformer().named_parameters()}
    tensors = {}
    for block, target in itertools.product(range(LAYERS), LORA_TARGETS):
        name = f"blocks.{block}.{target}"
        n_out, n_in = shapes[f"{name}.weight"]
        down = torch.randn(RANK, n_in, generator=generator) / n_in**0.5
        up = torch.randn(n_out, RANK, generator=generator) * 0.02 * strength
        tensors[f"{name}.lora_A.default.weight"] = down
        tensors[f"{name}.lora_B.default.weight"] = up
    torch.manual_seed(seed)
    encoder = GeometryEncoder(16, 24, DIM, (1, 2, 2))
    for name, parameter in encoder.state_dict().items():
        tensors[name] = parameter.clone()
        if name.startswith("latent_patch_embedding"):
            tensors[name] = strength * 0.2 * torch.randn(parameter.shape, generator=generator)
    return tensors


def make_steps_lora(*, strength: float = 0.05, seed: int = 5) -> dict[str, torch.Tensor]:
    """A step-distilled LoRA as lightx2v's: matrices as pairs of low rank, the rest as differences;
    what did not change is not in it."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, parameter in make_transformer().named_parameters():
        part, _, kind = name.rpartition(".")
        part = f"diffusion_model.{part}"
        if name in ("blocks.1.self_attn.k.bias", "blocks.0.ffn.2.bias"):
            continue
        if parameter.ndim == 2 and kind == "weight" and not part.endswith("head.head"):
            n_out, n_in = parameter.shape
            up = torch.randn(n_out, RANK, generator=generator)
            tensors[f"{part}.lora_up.weight"] = strength * up / RANK**0.5
            down = torch.randn(RANK, n_in, generator=generator)
            tensors[f"{part}.lora_down.weight"] = down / n_in**0.5
        else:
            suffix = {"weight": "diff", "bias": "diff_b", "modulation": "diff_m"}[kind]
            change = torch.randn(parameter.shape, generator=generator)
            tensors[f"{part}.{suffix}"] = strength * change
    return tensors


def write_tokenizer(folder: Path) -> None:
    words = sorted({*PROMPT.split(), *NEGATIVE_PROMPT.split(), "a", "red", "room"})
    vocabulary = {"<pad>": 0, "</s>": 1, "<unk>": 2}
    vocabulary |= {word: number for number, word in enumerate(words, start=3)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokens = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **tokens).save_pretrained(folder)


def write_models(folder: Path, checkpoint: dict[str, torch.Tensor] | None = None) -> Path:
    """Write all models; the transformer in two parts, the others as Wan's authors do."""
    wan = folder / "Wan2.1-I2V-14B-480P"
    wan.mkdir(parents=True)
    state = make_transformer().state_dict()
    names = sorted(state)
    for part, chosen in enumerate((names[::2], names[1::2]), start=1):
        tensors = {name: state[name].half() for name in chosen}
        save_file(tensors, wan / f"diffusion_pytorch_model-{part:05}-of-00002.safetensors")
    torch.save(make_text_encoder().state_dict(), wan / "models_t5_umt5-xxl-enc-bf16.pth")
    torch.save(make_vae().state_dict(), wan / "Wan2.1_VAE.pth")
    visual = {f"visual.{n}": t.half() for n, t in make_image_encoder().state_dict().items()}
    extra = {"textual.token_embedding.weight": torch.zeros(2, 2), "log_scale": torch.zeros(())}
    name = "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth"
    torch.save({**visual, **extra}, wan / name)
    write_tokenizer(wan / "google" / "umt5-xxl")
    (folder / "EX-4D").mkdir()
    torch.save(checkpoint or make_checkpoint(), folder / "EX-4D" / "ex4d.ckpt")
    return folder
