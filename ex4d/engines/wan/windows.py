"""Long clips in overlapping windows over time, blended in the latent space at every step.

The weights have seen 49 frames, 13 latents. A longer clip is covered by windows of that length;
where they overlap, what they predict is blended, each counting less towards its ends.

The first latent of a window stands for one frame, the others for four. In the clip only its very
first latent does, so every later window keeps a first latent of its own, which is denoised with the
rest of the window and never becomes part of the clip: its place is taken by the window before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = ["FRAMES_PER_LATENT", "Window", "blend_weights", "n_latents_of", "plan_windows"]

FRAMES_PER_LATENT = 4
_LENGTH = 13  # latents of a window: 49 frames
_OVERLAP = 4  # latents, at least: 16 frames


@dataclass(frozen=True)
class Window:
    """A part of a clip."""

    start: int  # the first latent
    length: int  # latents

    @property
    def latents(self) -> slice:
        """Its latents among those of the clip."""
        return slice(self.start, self.start + self.length)

    @property
    def frames(self) -> slice:
        """Its frames among those of the clip: one for the first latent, then four for each."""
        first = FRAMES_PER_LATENT * self.start
        return slice(first, first + 1 + FRAMES_PER_LATENT * (self.length - 1))


def n_latents_of(n_frames: int) -> int:
    """How many latents a clip of 4 n + 1 frames has."""
    if (n_frames - 1) % FRAMES_PER_LATENT:
        raise ValueError(f"{n_frames} frames are not 4 n + 1")
    return 1 + (n_frames - 1) // FRAMES_PER_LATENT


def plan_windows(n_latents: int, length: int = _LENGTH, overlap: int = _OVERLAP) -> list[Window]:
    """Cover a clip with windows of the same length, as few and as evenly spaced as can be."""
    if not 2 <= overlap < length:
        raise ValueError(f"an overlap of {overlap} in windows of {length}")
    if n_latents <= length:
        return [Window(0, n_latents)]
    n_steps = -(-(n_latents - length) // (length - overlap))
    starts = [round(step * (n_latents - length) / n_steps) for step in range(n_steps + 1)]
    return [Window(start, length) for start in starts]


def blend_weights(windows: Sequence[Window]) -> list[Tensor]:  # float32 [length] for each window
    """How much each window counts at each of its latents; over a clip's latent they sum to one."""
    n_latents = windows[-1].start + windows[-1].length
    raw = []
    for number, window in enumerate(windows):
        weight = torch.ones(window.length)
        if number > 0:
            before = windows[number - 1]
            shared = before.start + before.length - window.start
            weight[:shared] *= torch.arange(shared) / shared  # 0 for its own first latent
        if number + 1 < len(windows):
            shared = window.start + window.length - windows[number + 1].start
            weight[-shared:] *= torch.arange(shared, 0, -1) / shared
        raw.append(weight)
    total = torch.zeros(n_latents)
    for window, weight in zip(windows, raw, strict=True):
        total[window.latents] += weight
    return [w / total[window.latents] for window, w in zip(windows, raw, strict=True)]
