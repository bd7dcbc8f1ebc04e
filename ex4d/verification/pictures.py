"""The pictures of a report: all clips side by side, and how near they are frame by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ex4d.files.contact_sheet import contact_sheet, magnified_difference
from ex4d.training.evaluation.curves import draw_curves

if TYPE_CHECKING:
    import numpy as np

    from ex4d.verification.example import PublicExample
    from ex4d.verification.findings import Findings

__all__ = ["draw_nearness", "draw_sheet"]

_MAGNIFIED = 4


def draw_sheet(findings: Findings, example: PublicExample) -> np.ndarray:
    """The clips at six moments, time to the right: uint8 [h, w, 3]."""
    rows = {
        "conditions: what the new camera sees of the source": example.conditions.color,
        "published by the public code's authors": example.published,
    }
    for result in findings.results:
        if result.frames is not None:
            rows[f"{result.mode.name}: {result.mode.label}"] = result.frames
    exact = findings.results[0]
    if exact.frames is not None:
        label = f"difference of {exact.mode.name} from published, times {_MAGNIFIED}"
        rows[label] = magnified_difference(exact.frames, example.published, _MAGNIFIED)
    return contact_sheet(rows)


def draw_nearness(findings: Findings) -> np.ndarray | None:
    """PSNR, SSIM and flicker of the exact mode against the published clip, over the frames."""
    for comparison in findings.comparisons:
        if comparison.what == findings.results[0].mode.name:
            return draw_curves(comparison.curves)
    return None
