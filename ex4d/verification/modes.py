"""The ways to make a clip that are looked at side by side; a new speed mode is a new line here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ex4d.engines.base import PRECISIONS, EngineOptions, GenerateSettings
from ex4d.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EXACT", "MODES", "Mode", "modes_named"]

_PUBLIC = GenerateSettings()  # its defaults are the public code's


@dataclass(frozen=True)
class Mode:
    """How one clip is made: what differs from the public code's way. One that cannot run here
    raises an Ex4dError when it is made or run, which the report says."""

    name: str
    label: str
    options: Mapping[str, Any] = field(default_factory=dict)  # changes of EngineOptions
    settings: Mapping[str, Any] = field(default_factory=dict)  # changes of GenerateSettings

    def engine_options(self, base: EngineOptions) -> EngineOptions:
        """The options of its engine; those of another mode that are equal share the models."""
        return replace(base, **self.options)

    def generate_settings(self, size: tuple[int, int]) -> GenerateSettings:
        """The settings for an example of this width and height."""
        return replace(_PUBLIC, size=size, **self.settings)


EXACT = Mode("exact", "25 steps, guidance 5, shift 5, bf16 on a GPU: the public code's way")
MODES = (  # those with the same options one after the other: the models are loaded once
    EXACT,
    Mode("8-steps", "8 plain steps, guidance 5: a draft", settings={"num_inference_steps": 8}),
    *(
        Mode(tier, f"25 steps, matrix products in the tier {tier}", settings={"precision": tier})
        for tier in PRECISIONS[1:]
    ),
    Mode("guidance-half", "25 steps, the first half guided", settings={"guidance_until": 0.5}),
    Mode(
        "step-cache", "25 steps, those left out that change little", settings={"step_cache": 0.05}
    ),
    Mode(
        "fast",
        "4 steps with the step-distilled LoRA",
        settings={"num_inference_steps": 4, "guidance_scale": 1.0, "steps_lora": True},
    ),
    Mode(
        "unfused",
        "EX-4D's changes beside the weights, as the public code has them, not rounded into them",
        options={"lora": "unfused"},
    ),
)


def modes_named(names: str | None) -> tuple[Mode, ...]:
    """The modes of a list `a,b`, or all; the exact one is always first. Raises UsageError."""
    if names is None:
        return MODES
    known = {mode.name: mode for mode in MODES}
    asked = [name.strip() for name in names.split(",")]
    for name in asked:
        if name not in known:
            raise UsageError(f"there is no mode {name!r}: choose from {', '.join(known)}")
    return tuple(mode for mode in MODES if mode is EXACT or mode.name in asked)
