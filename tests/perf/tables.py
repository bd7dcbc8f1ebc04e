"""Figures as lines of text."""

from __future__ import annotations

__all__ = ["aligned"]


def aligned(rows: list[list[str]]) -> list[str]:
    """One line for each row, its columns as wide as their longest text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
