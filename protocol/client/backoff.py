"""How long to wait before the next attempt."""

from __future__ import annotations

import random

__all__ = ["Backoff"]


class Backoff:
    """Waits that double from `first_s` to `most_s`, each cut at random to between half and all
    of itself, so that many clients do not come back at the same moment."""

    def __init__(
        self, *, first_s: float = 0.1, most_s: float = 5.0, seed: int | None = None
    ) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self._attempts = 0

    def next_s(self) -> float:
        """The next wait in seconds."""
        full_s = min(self._first_s * 2.0 ** min(self._attempts, 30), self._most_s)
        self._attempts += 1
        return full_s * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin again: it worked."""
        self._attempts = 0
