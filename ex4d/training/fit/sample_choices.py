"""Which clip, mask, prompt, noise level and noise a sample has.

Every sample of a run has a number, and all that is drawn for it follows from the run's seed and
that number: a run that is continued, or spread over another number of GPUs, sees the same samples.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ex4d.training.fit.schedule import N_LEVELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ex4d.training.cache.files import Cache, ClipEntry
    from ex4d.training.fit.settings import TrainSettings

__all__ = ["SampleChoice", "SampleChoices", "held_out_choice"]

_ORDER, _SAMPLE, _HELD_OUT = 1, 2, 3  # what a random stream is for


@dataclass(frozen=True)
class SampleChoice:
    """What a sample is made of."""

    entry: ClipEntry
    mask: int
    flipped: bool
    prompt: str
    level: int  # of the noise, a number in the schedule
    noise_seed: int


class SampleChoices:
    """The samples of a run; every epoch shows each clip once, in an order of its own."""

    def __init__(self, cache: Cache, entries: Sequence[ClipEntry], settings: TrainSettings) -> None:
        self._entries = entries
        self._has_flipped = cache.settings.has_flipped
        self._dropout = settings.prompt_dropout
        self._seed = settings.seed
        self._epoch = -1
        self._order = np.arange(0)

    def __getitem__(self, number: int) -> SampleChoice:
        """The choices for the sample of that number, from 0 on without an end."""
        epoch, position = divmod(number, len(self._entries))
        if epoch != self._epoch:
            random = np.random.default_rng([self._seed, _ORDER, epoch])
            self._epoch, self._order = epoch, random.permutation(len(self._entries))
        entry = self._entries[self._order[position]]
        random = np.random.default_rng([self._seed, _SAMPLE, number])
        flipped = bool(random.integers(2)) and self._has_flipped
        is_dropped = random.random() < self._dropout
        prompt = "" if is_dropped else entry.prompt
        return _choice(random, entry, flipped=flipped, prompt=prompt)


def held_out_choice(seed: int, entry: ClipEntry) -> SampleChoice:
    """What a clip that is held out is looked at with: the same every time."""
    digest = hashlib.sha256(entry.name.encode("utf-8", "surrogateescape")).digest()
    number = int.from_bytes(digest[:8], "big")
    random = np.random.default_rng([seed, _HELD_OUT, number])
    return _choice(random, entry, flipped=False, prompt=entry.prompt)


def _choice(
    random: np.random.Generator, entry: ClipEntry, *, flipped: bool, prompt: str
) -> SampleChoice:
    return SampleChoice(
        entry=entry,
        mask=int(random.integers(len(entry.masks))),
        flipped=flipped,
        prompt=prompt,
        level=int(random.integers(N_LEVELS)),
        noise_seed=int(random.integers(1 << 63)),
    )
