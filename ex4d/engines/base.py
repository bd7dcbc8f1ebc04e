"""What every engine takes and gives: conditions in, finished frames out."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from ex4d.errors import UsageError
from ex4d.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from ex4d.conditions.render import Conditions

__all__ = [
    "NEGATIVE_PROMPT",
    "PRECISIONS",
    "PROMPT",
    "WITH_STEPS_LORA",
    "Draw",
    "Engine",
    "EngineOptions",
    "GenerateSettings",
    "Precision",
    "Watcher",
    "check_size",
    "result_metadata",
]

# The public code's, which the released weights are used with.
PROMPT = (
    "4K ultra HD, surround motion, realistic tone, panoramic shot, wide-angle view, "
    "cinematic quality"
)
NEGATIVE_PROMPT = (
    "Bright tones, overexposed, static, blurred details, subtitles, style, works, paintings, "
    "images, static, overall gray, worst quality, low quality, JPEG compression residue, ugly, "
    "incomplete, extra fingers, poorly drawn hands, poorly drawn faces, deformed, disfigured, "
    "misshapen limbs, fused fingers, still picture, messy background, three legs, many people in "
    "the background, walking backwards"
)

# Of a block's matrix products: all in bfloat16, or some in fp8, more and more of them
Precision = Literal["bf16", "fp8-ffn", "fp8", "fp8-all"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

Draw = Callable[[], "np.ndarray"]  # makes preview pictures uint8 [N, h, w, 3] of some frames


@dataclass(frozen=True)
class GenerateSettings:
    """How a diffusion engine makes one clip. Raises UsageError for values that cannot be."""

    num_inference_steps: int = 25
    guidance_scale: float = 5.0  # 1: the negative prompt has no effect, and costs no time
    guidance_until: float = 1.0  # share of the steps, from the first, that are guided
    step_cache: float = 0.0  # how wrong a step may be that is not evaluated; 0: all steps are
    shift: float = 5.0  # of the noise levels; more spends more steps on what is coarse
    precision: Precision = "bf16"
    prompt: str = PROMPT
    negative_prompt: str = NEGATIVE_PROMPT
    size: tuple[int, int] | None = None  # width and height that the model works at; none: fitting
    keep_source: bool = False  # the source's own pixels where they are seen, at the plate's size
    steps_lora: bool = False  # work with the step-distilled LoRA; see WITH_STEPS_LORA

    def __post_init__(self) -> None:
        if not 1 <= self.num_inference_steps <= 1000:
            raise UsageError(f"{self.num_inference_steps} inference steps: give 1 to 1000")
        if not (math.isfinite(self.guidance_scale) and 0 <= self.guidance_scale <= 100):
            raise UsageError(f"the guidance scale is {self.guidance_scale}: give 0 to 100")
        if not 0 <= self.guidance_until <= 1:
            raise UsageError(
                f"the guidance is until {self.guidance_until} of the steps: give 0 to 1"
            )
        if not 0 <= self.step_cache <= 1:
            raise UsageError(f"the strength of the step cache is {self.step_cache}: give 0 to 1")
        if not (math.isfinite(self.shift) and 0 < self.shift <= 100):
            raise UsageError(f"the shift is {self.shift}: give more than 0, up to 100")
        if self.precision not in PRECISIONS:
            known = ", ".join(PRECISIONS)
            raise UsageError(f"there is no precision {self.precision}: choose from {known}")
        if self.steps_lora and self.guidance_scale != 1:
            raise UsageError(
                f"the guidance scale is {self.guidance_scale}: with the step-distilled LoRA, which "
                "has the guidance in it, give 1"
            )
        if self.size is not None:
            check_size(self.size)

    @property
    def guided_steps(self) -> int:
        """How many steps, from the first, see the negative prompt, too."""
        if self.guidance_scale == 1:
            return 0
        return math.floor(self.guidance_until * self.num_inference_steps + 0.5)


# As the step-distilled LoRA was trained: its four timesteps are even ones under the usual shift.
WITH_STEPS_LORA = GenerateSettings(num_inference_steps=4, guidance_scale=1.0, steps_lora=True)


@dataclass(frozen=True)
class EngineOptions:
    """What is fixed while an engine stays loaded."""

    models: Path | None = None  # the folder of the weights; none: the usual one
    vram_gib: int | None = None  # 80, 48, 24 or 16; none: by what is free
    lora: Literal["fused", "unfused"] = "fused"
    checkpoint: Path | None = None  # EX-4D's file, of a training run; none: the one in `models`
    steps_lora: Path | None = None  # the step-distilled LoRA; none: the one in `models`, if any


class Watcher:
    """Hears what an engine does; this one does nothing. What a method raises stops the engine."""

    def progress(self, stage: str, done: int, total: int) -> None:
        """So many parts of a stage are done; called between all of them."""

    def preview(self, draw: Draw) -> None:
        """The clip could be shown as it is by now; drawing is the caller's choice, and cheap."""


class Engine(Protocol):
    """Turns the conditions into the finished clip."""

    name: str
    label: str  # what the file's metadata and the console say of a result
    follows_settings: bool  # and makes the size that they ask for
    uses_backdrop: bool  # that lies beside the conditions

    def generate(
        self,
        conditions: Conditions,
        *,
        seed: int,
        settings: GenerateSettings,
        watcher: Watcher,
    ) -> np.ndarray:
        """Make the finished frames uint8 [T, H, W, 3]. The same inputs and seed give the same."""
        ...


def check_size(size: tuple[int, int]) -> None:
    """Raise UsageError for a width and height that no clip can have."""
    if min(size) < 16 or max(size) > 8192:
        raise UsageError(f"the size {size[0]}x{size[1]} cannot be, sides must be 16 to 8192")


def result_metadata(engine: Engine, seed: int, settings: GenerateSettings) -> dict[str, str]:
    """What a finished clip's file says of how it was made; `title` tells a draft from a final.
    Settings that had no effect are left out."""
    facts: dict[str, object] = {"ex4d": __version__, "engine": engine.name, "seed": seed}
    if engine.follows_settings:
        facts["settings"] = asdict(settings)
    return {"title": engine.label, "comment": json.dumps(facts)}
