"""Where the weights lie: Wan's own folder as its authors publish it, and EX-4D's checkpoint.

    <models>/Wan2.1-I2V-14B-480P/diffusion_pytorch_model-0000N-of-00007.safetensors
                                 models_t5_umt5-xxl-enc-bf16.pth
                                 models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth
                                 Wan2.1_VAE.pth
                                 google/umt5-xxl/
    <models>/EX-4D/ex4d.ckpt
    <models>/Wan2.1-I2V-14B-480P-StepDistill-CfgDistill-Lightx2v/loras/Wan21_I2V_14B_...safetensors
    <models>/prompts/                   encoded prompts, made here

Wan's folder may also lie in <models>/Wan-AI, as the public code has it, or be <models> itself.
Every .pth may be a .safetensors instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ex4d.errors import MissingPartError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "EX4D_FILE",
    "EX4D_FOLDER",
    "STEPS_LORA_FILE",
    "STEPS_LORA_FOLDER",
    "WAN_FOLDER",
    "ModelFiles",
    "find_models",
    "missing_files",
    "no_steps_lora",
    "require_files",
]

WAN_FOLDER = "Wan2.1-I2V-14B-480P"
EX4D_FOLDER = "EX-4D"
EX4D_FILE = "ex4d.ckpt"
STEPS_LORA_FOLDER = "Wan2.1-I2V-14B-480P-StepDistill-CfgDistill-Lightx2v"  # its authors' names
STEPS_LORA_FILE = "loras/Wan21_I2V_14B_lightx2v_cfg_step_distill_lora_rank64.safetensors"
_TRANSFORMER = "diffusion_pytorch_model"
_N_SHARDS = 7
_TEXT = "models_t5_umt5-xxl-enc-bf16"
_IMAGE = "models_clip_open-clip-xlm-roberta-large-vit-huge-14"
_VAE = "Wan2.1_VAE"
_TOKENIZER = Path("google", "umt5-xxl")
_SHARD = re.compile(rf"{_TRANSFORMER}-(\d{{5}})-of-(\d{{5}})\.safetensors")


@dataclass(frozen=True)
class ModelFiles:
    """The files of all models."""

    transformer: tuple[Path, ...]
    text_encoder: Path
    image_encoder: Path
    vae: Path
    tokenizer: Path
    checkpoint: Path
    prompts: Path
    steps_lora: Path | None  # nobody has to have it


def find_models(
    folder: Path, checkpoint: Path | None = None, steps_lora: Path | None = None
) -> ModelFiles:
    """Return the files in a folder, whether they exist or not: see `missing_files`. EX-4D's
    checkpoint and the step-distilled LoRA may lie elsewhere."""
    wan = _wan_folder(folder)
    usual = (folder / EX4D_FOLDER / EX4D_FILE, folder / EX4D_FILE)
    if checkpoint is None:
        checkpoint = next((path for path in usual if path.exists()), usual[0])
    return ModelFiles(
        transformer=_transformer_files(wan),
        text_encoder=_either(wan / _TEXT),
        image_encoder=_either(wan / _IMAGE),
        vae=_either(wan / _VAE),
        tokenizer=wan / _TOKENIZER,
        checkpoint=checkpoint,
        prompts=folder / "prompts",
        steps_lora=steps_lora or _usual_steps_lora(folder),
    )


def no_steps_lora() -> MissingPartError:
    """What to raise where the step-distilled LoRA is asked for and not there."""
    return MissingPartError(
        "there is no step-distilled LoRA here", advice="ex4d download steps-lora"
    )


def missing_files(files: ModelFiles) -> list[Path]:
    """Name every file, and the tokenizer's folder, that is not there."""
    encoders = (files.text_encoder, files.image_encoder, files.vae)
    needed = (*files.transformer, *encoders, files.checkpoint, files.tokenizer)
    return [path for path in needed if not _is_there(path)]


def require_files(paths: Iterable[Path]) -> None:
    """Raise MissingPartError when one of these files or folders is not there."""
    missing = [path for path in paths if not _is_there(path)]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise MissingPartError(f"weights are missing ({missing[0]}{more})", advice="ex4d download")


def _is_there(path: Path) -> bool:
    return path.is_file() or (path.is_dir() and any(path.iterdir()))


def _usual_steps_lora(folder: Path) -> Path | None:
    whole = folder / STEPS_LORA_FOLDER / STEPS_LORA_FILE
    usual = (whole, whole.parent.parent / whole.name, folder / whole.name)
    return next((path for path in usual if path.is_file()), None)


def _wan_folder(folder: Path) -> Path:
    candidates = (folder / WAN_FOLDER, folder / "Wan-AI" / WAN_FOLDER, folder)
    for candidate in candidates:
        if candidate.is_dir() and any(candidate.glob(f"{_TRANSFORMER}*")):
            return candidate
    return candidates[0]


def _transformer_files(wan: Path) -> tuple[Path, ...]:
    """One file, or as many parts as the names of those that are there say."""
    single = wan / f"{_TRANSFORMER}.safetensors"
    if single.exists():
        return (single,)
    found = [m for path in sorted(wan.glob("*")) if (m := _SHARD.fullmatch(path.name))]
    n_shards = int(found[0][2]) if found else _N_SHARDS
    names = [f"{_TRANSFORMER}-{n:05}-of-{n_shards:05}" for n in range(1, n_shards + 1)]
    return tuple(wan / f"{name}.safetensors" for name in names)


def _either(path: Path) -> Path:
    safe = path.with_name(f"{path.name}.safetensors")
    return safe if safe.exists() else path.with_name(f"{path.name}.pth")
