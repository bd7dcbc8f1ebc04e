"""The preview engine: a draft for eyes, on any CPU, without weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ex4d.engines.base import GenerateSettings, Watcher
from ex4d.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from ex4d.conditions.render import Conditions

__all__ = ["PreviewEngine"]

_NO_SETTINGS = GenerateSettings()
_NOBODY = Watcher()


class PreviewEngine:
    """Fills disocclusions from other frames, then from the background side, then smoothly.

    What it takes for that is imported for the first clip: a server only names the engine.
    """

    name = "preview"
    label = "EX-4D preview engine: a draft, filled without a diffusion model"
    follows_settings = False
    uses_backdrop = True

    def generate(
        self,
        conditions: Conditions,
        *,
        seed: int = 0,  # nothing here is random
        settings: GenerateSettings = _NO_SETTINGS,  # and nothing is diffused
        watcher: Watcher = _NOBODY,
    ) -> np.ndarray:
        """Make the finished frames uint8 [T, H, W, 3]; no pixel stays unfilled.

        Raises InputError when the mask shows nothing in any frame.
        """
        if not conditions.mask.any():
            raise InputError(
                "the mask shows nothing in any frame, so there is nothing to fill from"
            )
        from ex4d.engines.hole_filling import fill_holes

        return fill_holes(conditions, watcher)
