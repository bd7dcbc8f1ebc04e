"""The qualities of a take: how it is filled, and what that costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..jobs.requests import FinalSettings

if TYPE_CHECKING:
    import bpy

    from ..jobs.connection import Connection

__all__ = ["QUALITIES", "fast_words", "final_settings"]

QUALITIES = (  # the numbers are in files: Fast came later than the others
    ("DRAFT", "Draft", "Holes are filled from other frames and from around them; no GPU needed", 0),
    ("FAST", "Fast", "A rough final in a few steps, to choose by; needs a GPU server", 2),
    (
        "FINAL",
        "Final",
        "The video diffusion model invents what no frame saw; needs a GPU server",
        1,
    ),
)
_LORA_STEPS = 4  # the LoRA's own, with no guidance
_PLAIN_STEPS = 8  # where the server has none


def fast_words(connection: Connection) -> str:
    """What Fast is with this server, as a sentence."""
    if connection.has_steps_lora:
        return f"{_LORA_STEPS} steps with the server's step-distilled LoRA."
    return (
        "The server has no step-distilled LoRA, which its administrator can fetch: "
        f"{_PLAIN_STEPS} steps of a Final, much rougher than one."
    )


def final_settings(
    shot: bpy.types.PropertyGroup, connection: Connection | None
) -> FinalSettings | None:
    """What the panel asks of the diffusion model; none of a draft."""
    texts = shot.prompt.strip(), shot.keep_source, shot.precision
    if shot.quality == "FINAL":
        settings = (shot.guidance_until, shot.step_cache)
        return FinalSettings(shot.steps, shot.guidance_scale, *texts, *settings)
    if shot.quality != "FAST":
        return None
    if connection is not None and connection.has_steps_lora:
        return FinalSettings(_LORA_STEPS, 1.0, *texts, steps_lora=True, is_fast=True)
    return FinalSettings(_PLAIN_STEPS, FinalSettings.guidance_scale, *texts, is_fast=True)
