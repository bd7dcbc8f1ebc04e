"""Curves of the metrics over a clip's frames, as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from ex4d.training.evaluation.metrics import METRICS, REGIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["draw_curves", "mean_curves"]

_WIDTH, _HEIGHT = 900, 230  # of one panel, pixels
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 34, 26  # around its axes
_PAPER, _INK, _GRID = (255, 255, 255), (40, 40, 40), (225, 225, 225)
_COLORS = {"all": (70, 70, 70), "seen": (0, 120, 190), "unseen": (215, 90, 20)}
_UNITS = {"psnr": "PSNR, dB", "ssim": "SSIM", "flicker": "flicker, levels of 255"}


def mean_curves(scores: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The mean over all results of each curve, frame by frame; NaN where none has a value."""
    names = {name for score in scores for name in score}
    return {name: _mean([score[name] for score in scores if name in score]) for name in names}


def draw_curves(curves: Mapping[str, np.ndarray]) -> np.ndarray:
    """Draw a panel for each metric, with a curve for each region: uint8 [h, w, 3]."""
    panels = []
    for metric in METRICS:
        shown = {r: curves[f"{metric}/{r}"] for r in REGIONS if f"{metric}/{r}" in curves}
        panels.append(_panel(_UNITS[metric], shown))
    return np.concatenate(panels)


def _mean(curves: list[np.ndarray]) -> np.ndarray:
    length = max(len(curve) for curve in curves)
    padded = np.full((len(curves), length), np.nan)
    for row, curve in zip(padded, curves, strict=True):
        row[: len(curve)] = curve
    count = np.isfinite(padded).sum(axis=0)
    total = np.nansum(padded, axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _panel(title: str, curves: Mapping[str, np.ndarray]) -> np.ndarray:
    picture = np.full((_HEIGHT, _WIDTH, 3), _PAPER, np.uint8)
    known = np.concatenate([curve[np.isfinite(curve)] for curve in curves.values()])
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    steps = _round_steps(low, high)
    low, high = min(low, steps[0]), max(high, steps[-1])
    n_frames = max(len(curve) for curve in curves.values())

    def place(frame: float, value: float) -> tuple[int, int]:
        across = frame / max(1, n_frames - 1)
        up = (value - low) / ((high - low) or 1.0)  # a curve may be flat
        x = _LEFT + across * (_WIDTH - _LEFT - _RIGHT)
        y = _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM)
        return round(x), round(y)

    for value in steps:
        cv2.line(picture, place(0, value), place(n_frames - 1, value), _GRID)
        _write(picture, f"{value:g}", (8, place(0, value)[1] + 5))
    for frame in _round_steps(0, n_frames - 1):
        if frame == int(frame) and frame < n_frames:
            _write(picture, f"{frame:g}", (place(frame, low)[0] - 6, _HEIGHT - 8))
    for name, curve in curves.items():
        for start in range(n_frames - 1):
            if np.isfinite(curve[start : start + 2]).all():
                here, there = (place(start + step, curve[start + step]) for step in (0, 1))
                cv2.line(picture, here, there, _COLORS[name], 2, cv2.LINE_AA)
    _write(picture, title, (_LEFT, 20))
    _write(picture, "frame", (8, _HEIGHT - 8))
    for number, name in enumerate(curves):
        at = (_WIDTH - 300 + 100 * number, 20)
        cv2.line(picture, (at[0] - 24, 15), (at[0] - 6, 15), _COLORS[name], 2, cv2.LINE_AA)
        _write(picture, name, at)
    return picture


def _round_steps(low: float, high: float) -> list[float]:
    """About five round numbers that cover an interval."""
    span = max(high - low, 1e-3)
    rough = span / 4
    unit = 10.0 ** np.floor(np.log10(rough))
    step = next(float(unit * factor) for factor in (1, 2, 5, 10) if unit * factor >= rough)
    first = np.floor(low / step) * step
    return [float(first + n * step) for n in range(int(np.ceil((high - first) / step - 1e-9)) + 1)]


def _write(picture: np.ndarray, text: str, at: tuple[int, int]) -> None:
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)
