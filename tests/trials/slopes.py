"""Does anything grow? Straight lines through what a server held, by least squares.

Within each lifetime of a server (between two starts), after a warm-up, over its age; and over all
lifetimes, through what each held at one and the same age. A slope is zero within noise when what
it adds up to over its time is at most three times its standard error, or at most what is allowed
for the quantity: samples that follow one another are not independent, so that the error alone would
be too strict, and one run has only few lifetimes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np

__all__ = ["ALLOWED", "QUANTITIES", "Sample", "Slope", "slopes"]

WARM_UP = 0.25  # of a lifetime
MIB = 1 << 20
QUANTITIES = ("memory_bytes", "descriptors", "threads", "disk_bytes")
ALLOWED = {"memory_bytes": 12 * MIB, "descriptors": 4, "threads": 2, "disk_bytes": 4 * MIB}


@dataclass(frozen=True)
class Sample:
    """What the server held at a moment, in seconds since the beginning."""

    time_s: float
    lifetime: int
    age_s: float
    memory_bytes: int
    descriptors: int
    threads: int
    disk_bytes: int
    jobs_done: int


@dataclass(frozen=True)
class Slope:
    """A straight line: what it grows in all, and how sure that is."""

    quantity: str
    over: str
    growth: float  # over its whole time
    error: float  # standard error of that
    mean: float

    @property
    def is_flat(self) -> bool:
        return self.growth <= max(3 * self.error, ALLOWED[self.quantity])

    def __str__(self) -> str:
        unit, name = (MIB, "MiB") if self.quantity.endswith("bytes") else (1, "")
        figures = (self.growth / unit, self.error / unit, self.mean / unit)
        return "{} {}: grew by {:.2f} +- {:.2f} {name}, mean {:.1f} {name}".format(
            self.quantity, self.over, *figures, name=name
        )


def slopes(samples: list[Sample]) -> list[Slope]:
    """The lines of the longest lifetime and of all together, for each quantity."""
    lives = [list(life) for _, life in groupby(samples, key=lambda one: one.lifetime)]
    longest = max(lives, key=lambda life: life[-1].age_s)
    warm = [one for one in longest if one.age_s >= WARM_UP * longest[-1].age_s]
    long_enough = [life for life in lives if life[-1].age_s >= longest[-1].age_s / 3]
    age_s = min(life[-1].age_s for life in long_enough)
    same_age = [min(life, key=lambda one: abs(one.age_s - age_s)) for life in long_enough]
    found = []
    for quantity in QUANTITIES:
        within = [(one.age_s, getattr(one, quantity)) for one in warm]
        found.append(_fit(quantity, f"in {longest[-1].age_s:.0f} s of one lifetime", within))
        if len(same_age) > 2:
            over = f"over {len(same_age)} lifetimes at an age of {age_s:.0f} s"
            found.append(
                _fit(quantity, over, [(one.time_s, getattr(one, quantity)) for one in same_age])
            )
    return found


def _fit(quantity: str, over: str, points: list[tuple[float, float]]) -> Slope:
    times, values = np.array(points, float).T
    centred = times - times.mean()
    spread = float((centred**2).sum()) or 1.0
    rise = float((centred * values).sum()) / spread
    rest = values - values.mean() - rise * centred
    variance = float((rest**2).sum()) / max(1, len(points) - 2)
    span = float(np.ptp(times))
    error = span * (variance / spread) ** 0.5
    return Slope(quantity, over, rise * span, error, float(values.mean()))
