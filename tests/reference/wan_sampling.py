"""Sampling with a step cache, as the paper writes it (EasyCache, arXiv 2507.02860): everything is
kept, and every number is computed from the whole record."""

from __future__ import annotations


def sample_with_cache(evaluate, noise, levels, strength, n_first):
    """Euler steps over the levels, which end with 0. `evaluate(x, step)` is the velocity.

    Returns the latents and the numbers of the steps that were evaluated.
    """
    n_steps = len(levels) - 1
    x, v = [noise], []
    evaluated = []
    for step in range(n_steps):
        if must_evaluate(x, v, evaluated, step, n_steps, strength, n_first):
            v.append(evaluate(x[step], step))
            evaluated.append(step)
        else:
            last = evaluated[-1]
            v.append(x[step] + (v[last] - x[last]))
        x.append(x[step] + (levels[step + 1] - levels[step]) * v[step])
    return x[-1], evaluated


def must_evaluate(x, v, evaluated, step, n_steps, strength, n_first):
    if step < n_first or step == n_steps - 1 or strength == 0:
        return True
    before, last = evaluated[-2:]
    rate = size(v[last] - v[before]) / size(x[last] - x[before])
    error = 0.0
    for skipped in range(last + 1, step + 1):
        error += rate * size(x[skipped] - x[skipped - 1]) / size(v[last])
    return error >= strength


def size(values):
    return values.abs().mean()
