"""Depth of frames that were looked at one by one, made steady over time.

Each frame's disparity gets a factor and a summand, so that points which optical flow finds again in
other frames have the disparity there that they should have. What they should have follows from how
the camera moves, which is solved from the same points (PnP): a camera that walks forward must not
be taken for a drifting scale. Both are solved in turns, as robust linear least squares over frame
pairs at several distances; near ones tie neighbours together, far ones keep the clip from drifting.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ex4d.depth.camera_motion import disparity_changes
from ex4d.depth.denoise import average_over_time
from ex4d.runtime.parallel import on_all_cores
from ex4d.video.cuts import find_shots
from ex4d.video.flow import ClipFlow, Matches

if TYPE_CHECKING:
    from ex4d.depth.estimators.base import Prediction, Report

__all__ = ["steady_disparity"]

_GAPS = (1, 2, 4, 8, 16)  # frames between the two of a pair
_ROUNDS = 6
_FEWEST_POINTS = 50
_RELIEF = 0.03  # of the clip's usual disparity, within 9 pixels; points beyond lie on edges
_SPREAD = 0.01  # residuals' usual size, as a share of the usual disparity
_TIE = 1e-3  # of factors to 1 and summands to 0, against a pair's weight of 1
_METRIC_TIE = 1.0  # of the summands where disparity has a true zero


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two frames with the disparities that were predicted for the points found in both."""

    here: int
    there: int
    points: Matches
    disparity_here: np.ndarray  # float64 [P]
    disparity_there: np.ndarray  # float64 [P]


@dataclass(frozen=True, eq=False)
class _Correction:
    """disparity * factor + summand of every frame."""

    factor: np.ndarray  # float64 [N]
    summand: np.ndarray  # float64 [N]

    def residuals(self, pair: _Pair, change: np.ndarray) -> np.ndarray:
        """By how much a pair's disparities differ, beyond what the camera's motion explains."""
        here = self.factor[pair.here] * pair.disparity_here + self.summand[pair.here]
        there = self.factor[pair.there] * pair.disparity_there + self.summand[pair.there]
        difference: np.ndarray = there - here - change
        return difference


def steady_disparity(
    prediction: Prediction, frames: np.ndarray, intrinsics: np.ndarray, report: Report
) -> np.ndarray:
    """Make the disparity of frames uint8 [N, H, W, 3], seen with `intrinsics` [N, 3, 3], steady
    within each shot. Returns float32 [N, H, W] in the prediction's scale.
    """
    disparity = prediction.disparity
    flow = ClipFlow(frames)
    usual = float(np.median(np.abs(disparity[:, ::8, ::8]))) or 1.0
    steadied = np.empty_like(disparity)
    for shot in find_shots(frames):
        pairs = _pairs(disparity, flow, shot, _RELIEF * usual)
        correction = _solve(pairs, shot, intrinsics, usual, is_metric=prediction.scale == "metric")
        for frame in shot:
            place = frame - shot.start
            corrected = disparity[frame] * correction.factor[place] + correction.summand[place]
            if prediction.scale == "metric":
                corrected[disparity[frame] == 0] = 0  # the sky stays infinitely far
            steadied[frame] = corrected
            report(frame + 1, len(frames))
        average_over_time(steadied, flow, shot)
    return np.maximum(steadied, 0, out=steadied) if prediction.scale == "metric" else steadied


def _pairs(disparity: np.ndarray, flow: ClipFlow, shot: range, relief: float) -> list[_Pair]:
    """The pairs of a shot's frames, numbered from its start, that have enough points in common."""
    smooth = {frame: cv2.blur(disparity[frame], (5, 5)) for frame in shot}
    rough = {frame: np.abs(cv2.blur(disparity[frame], (9, 9)) - disparity[frame]) for frame in shot}
    chosen = [(frame, frame + gap) for gap in _GAPS for frame in shot if frame + gap in shot]
    pairs = []
    for (here, there), found in zip(chosen, flow.all_matches(chosen), strict=True):
        flat = (_at(rough[here], found.here) < relief) & (_at(rough[there], found.there) < relief)
        if flat.sum() >= _FEWEST_POINTS:
            points = Matches(found.here[flat], found.there[flat], found.share)
            values = _at(smooth[here], points.here), _at(smooth[there], points.there)
            pairs.append(_Pair(here - shot.start, there - shot.start, points, *values))
    return pairs


def _at(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """A picture [H, W] at points [P, 2], pixel centres at +0.5: float64 [P]."""
    x, y = np.ascontiguousarray((points - 0.5).astype(np.float32).T)
    values = cv2.remap(picture, x[None], y[None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(values[0], np.float64)


def _solve(
    pairs: list[_Pair], shot: range, intrinsics: np.ndarray, usual: float, *, is_metric: bool
) -> _Correction:
    correction = _Correction(np.ones(len(shot)), np.zeros(len(shot)))
    changes = [np.zeros(len(pair.disparity_here)) for pair in pairs]
    for number in range(_ROUNDS if pairs else 0):
        correction = _fit(pairs, changes, correction, usual, is_metric=is_metric)
        if number == _ROUNDS - 1:
            break
        changes = on_all_cores(partial(_change, correction, shot, intrinsics), pairs)
    # Noise on both sides of each equation makes all factors a little too small.
    mean = correction.factor.mean()
    return _Correction(correction.factor / mean, correction.summand / mean)


def _change(
    correction: _Correction, shot: range, intrinsics: np.ndarray, pair: _Pair
) -> np.ndarray:
    """How much a pair's disparities should differ for the camera's motion."""
    here = correction.factor[pair.here] * pair.disparity_here + correction.summand[pair.here]
    lenses = intrinsics[shot[pair.here]], intrinsics[shot[pair.there]]
    return disparity_changes(np.maximum(here, 0), pair.points, lenses)


def _fit(
    pairs: list[_Pair],
    changes: list[np.ndarray],
    before: _Correction,
    usual: float,
    *,
    is_metric: bool,
) -> _Correction:
    """One step of iteratively reweighted least squares (Geman-McClure's weights)."""
    n_frames = len(before.factor)
    unit = 1 / (_SPREAD * usual) ** 2
    ties = np.tile([usual**2, _METRIC_TIE / _TIE if is_metric else 1.0], n_frames)
    normal = np.diag(_TIE * unit * ties)
    right = np.zeros(2 * n_frames)
    right[::2] = _TIE * unit * usual**2  # factors are tied to 1
    for pair, change in zip(pairs, changes, strict=True):
        residuals = before.residuals(pair, change)
        residuals = residuals - np.median(residuals)  # the frames' summands are not known yet
        spread = 1.5 * np.median(np.abs(residuals)) + 0.1 * _SPREAD * usual
        weights = unit / len(residuals) / (1 + (residuals / (2 * spread)) ** 2) ** 2
        ones = np.ones(len(residuals))
        terms = np.stack([-pair.disparity_here, -ones, pair.disparity_there, ones], axis=1)
        places = [2 * pair.here, 2 * pair.here + 1, 2 * pair.there, 2 * pair.there + 1]
        weighted = terms * weights[:, None]
        normal[np.ix_(places, places)] += weighted.T @ terms
        right[places] += weighted.T @ change
    solution = np.linalg.solve(normal, right)
    return _Correction(solution[::2], solution[1::2])
