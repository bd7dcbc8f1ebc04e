"""Products of numbers rounded to fp8 (e4m3: arXiv 2209.05433), number by number in float64."""

from __future__ import annotations

import math

import torch

__all__ = ["gelu", "product", "rounded"]


def rounded(rows):
    """Each row scaled so that its largest number is 448, rounded, and scaled back."""
    result = rows.double().clone()
    for row in result:
        scale = max(float(row.abs().max()), 1e-12) / 448
        row.copy_(torch.tensor([scale * _e4m3(float(x) / scale) for x in row]))
    return result


def product(values, weight, bias):
    """Rounded tokens times a rounded weight [out, in], and a bias."""
    return rounded(values) @ rounded(weight).T + bias.double()


def gelu(values):
    """GELU in its tanh form (arXiv 1606.08415)."""
    x = values.double()
    return x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


def _e4m3(number):
    """The nearest number of three bits behind the point and an exponent of at least -6; ties to
    even."""
    if number == 0:
        return 0.0
    exponent = max(math.floor(math.log2(abs(number))), -6)
    step = 2.0 ** (exponent - 3)
    return math.copysign(min(round(abs(number) / step) * step, 448.0), number)
