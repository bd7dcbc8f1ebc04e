"""The flags of `ex4d generate` that only the engine wan heeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ex4d.engines.base import PRECISIONS, GenerateSettings

if TYPE_CHECKING:
    import argparse

__all__ = ["add_wan_flags"]

_DEFAULTS = GenerateSettings()


def add_wan_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the engine wan."""
    add = parser.add_argument_group("the engine wan").add_argument
    add("--models", type=Path, help="folder of the weights; default: $EX4D_MODELS")
    add("--checkpoint", type=Path, help="ex4d.ckpt of a training run; default: the weights' own")
    add("--vram", type=int, choices=(80, 48, 24, 16), help="GiB of the GPU to plan for")
    add("--lora", choices=("fused", "unfused"), default="fused", help="unfused: exact, slower")
    add(
        "--steps_lora",
        type=Path,
        nargs="?",
        const=True,
        metavar="FILE",
        help="work in 4 steps without guidance, with this step-distilled LoRA or the one of `ex4d "
        "download steps-lora`",
    )
    add("--num_inference_steps", type=int, help="default: 25; with --steps_lora 4")
    add("--guidance_scale", type=float, help="default: 5; with --steps_lora 1, and no other")
    add(
        "--guidance_until",
        type=float,
        default=_DEFAULTS.guidance_until,
        help="share of the steps, from the first, that are guided; the others take half the time",
    )
    add(
        "--step_cache",
        type=float,
        default=_DEFAULTS.step_cache,
        metavar="STRENGTH",
        help="how wrong a step may be that is not evaluated, such as 0.05; default: 0, none is",
    )
    add("--shift", type=float, default=_DEFAULTS.shift)
    add("--prompt", default=_DEFAULTS.prompt)
    add("--negative_prompt", default=_DEFAULTS.negative_prompt)
    add("--keep_source", action="store_true", help="the source's own pixels where they are seen")
    add(
        "--precision",
        choices=PRECISIONS,
        default=_DEFAULTS.precision,
        help="fp8 of feed-forward networks, of self attention too, of all: faster and coarser; not "
        "proven with the released weights yet",
    )
    add(
        "--compare_precision",
        action="store_true",
        help="make the clip in bf16 too, with the same seed, and say how far apart the two are; "
        "both, a sheet and the figures come to the result",
    )
