"""A block's steps between its matrix products, number by number in float64, as in the papers:
layer norm (arXiv 1607.06450), RMS norm (1910.07467), rotary embedding (2104.09864), attention
(1706.03762)."""

from __future__ import annotations

import cmath
import math

import torch

__all__ = ["add_and_normalise", "attend", "normalise", "normalise_and_rotate"]


def add_and_normalise(tokens, update, gate, scale, shift, eps):
    """tokens + gate * update, and its layer norm * scale + shift."""
    sums, normed = tokens.double().clone(), tokens.double().clone()
    for row in range(len(tokens)):
        if update is not None:
            factor = 1 if gate is None else gate.double()
            sums[row] += factor * update[row].double()
        mean = sums[row].mean()
        deviation = math.sqrt(((sums[row] - mean) ** 2).mean() + eps)
        normed[row] = (sums[row] - mean) / deviation * scale.double() + shift.double()
    return sums, normed


def normalise(values, weight, eps):
    """Each row over its root of the mean of squares, times a weight."""
    rows = [x / math.sqrt((x**2).mean() + eps) * weight.double() for x in values.double()]
    return torch.stack(rows)


def normalise_and_rotate(values, weight, grid, head_width, eps):
    """The norm; then each pair of a head's values, a complex number, is turned by the angle of its
    token's place along the axis that the pair belongs to."""
    normed = normalise(values, weight, eps)
    third = head_width // 3
    widths = (head_width - 2 * third, third, third)
    for token in range(len(values)):
        rest, column = divmod(token, grid[2])
        place = (*divmod(rest, grid[1]), column)
        angles = [
            place[axis] * 10_000 ** (-2 * pair / widths[axis])
            for axis in range(3)
            for pair in range(widths[axis] // 2)
        ]
        for start in range(0, values.shape[1], head_width):
            for pair, angle in enumerate(angles):
                at = start + 2 * pair
                turned = complex(*normed[token, at : at + 2].tolist()) * cmath.exp(1j * angle)
                normed[token, at], normed[token, at + 1] = turned.real, turned.imag
    return normed


def attend(queries, keys, values, head_width):
    """Softmax of the products of queries and keys over the root of their length, head by head."""
    queries, keys, values = (x.double() for x in (queries, keys, values))
    result = torch.empty_like(queries)
    for start in range(0, queries.shape[1], head_width):
        head = slice(start, start + head_width)
        for row, query in enumerate(queries[:, head]):
            weights = torch.softmax(keys[:, head] @ query / math.sqrt(head_width), dim=0)
            result[row, head] = weights @ values[:, head]
    return result
