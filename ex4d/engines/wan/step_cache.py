"""Steps that need no evaluation, for one before them tells enough (EasyCache, arXiv 2507.02860).

Between neighbouring steps the transformer adds nearly the same to the latents x:

    v_t = x_t + (v_s - x_s)              s: the last step that was evaluated

How wrong that is, is told by how much the velocity v followed the latents between the last two
evaluated steps, the rate k = |v_s - v_r| / |x_s - x_r|, with |.| the mean of absolute values: every
step that is not evaluated adds k |x_t - x_(t-1)| / |v_s| to the error. Once the sum reaches the
strength, the step is evaluated, and the sum begins anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

__all__ = ["StepCache"]

_FIRST_SHARE = 0.2  # of the steps: what is coarse is decided there; the paper's 10 of 50
_FEWEST_FIRST = 2  # steps that a rate comes of


class StepCache:
    """Decides for one window of a clip, step by step. At a strength of 0 every step is
    evaluated."""

    def __init__(self, strength: float, n_steps: int) -> None:
        self._strength = strength
        self._last_step = n_steps - 1
        self._n_first = max(_FEWEST_FIRST, round(_FIRST_SHARE * n_steps))
        self._step = -1
        self._error = 0.0
        self._rate = 0.0
        self._latents: Tensor | None = None  # of the step before
        self._evaluated: tuple[Tensor, list[Tensor]] | None = None  # latents and their velocities

    def velocities(
        self,
        latents: Tensor,  # float32 [1, C, T', h, w]
        n_branches: int,
        evaluate: Callable[[], list[Tensor]],
    ) -> list[Tensor]:  # float32 [1, C, T', h, w] for each branch, the positive prompt's first
        """The velocities of the next step: what `evaluate` returns, or what they are about."""
        if not self._strength:
            return evaluate()
        self._step += 1
        if self._evaluated is not None and self._may_skip(latents):
            before, known = self._evaluated
            self._latents = latents
            return [latents + (velocity - before) for velocity in known[:n_branches]]
        made = evaluate()
        if self._evaluated is not None:
            before, known = self._evaluated
            moved = _size(latents - before)
            self._rate = _size(made[0] - known[0]) / moved if moved else 0.0
        self._evaluated = latents, made
        self._latents, self._error = latents, 0.0
        return made

    def _may_skip(self, latents: Tensor) -> bool:
        if not self._n_first <= self._step < self._last_step:
            return False
        if self._latents is None or self._evaluated is None:
            raise AssertionError
        velocity = _size(self._evaluated[1][0])
        if not velocity:
            return True  # nothing moves
        self._error += self._rate * _size(latents - self._latents) / velocity
        return self._error < self._strength


def _size(values: Tensor) -> float:
    return float(values.abs().mean())
