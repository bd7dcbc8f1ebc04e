"""Depth that trembles from frame to frame, made steady: against what is known of the scene."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from ex4d.depth.estimators.base import Prediction
from ex4d.depth.files import read_depth
from ex4d.depth.steady import steady_disparity
from ex4d.errors import DepthError
from ex4d.files.npz import read_npz
from ex4d.video.reader import FrameRange, read_clip

SHOT = Path(__file__).parents[3] / "examples" / "shot"
KITCHEN = Path(__file__).parents[4] / "shared" / "clips" / "kitchen"
SEED = 3


@cache
def measured(folder: Path):
    """A clip, its disparity, where that was measured, and the lens."""
    clip = read_clip(folder / "input.mp4", FrameRange(num_frames=49))
    given = read_depth(folder / "depth.npz", clip)
    known = read_npz(folder / "depth.npz", DepthError)["depth"] > 0
    return clip.frames, 1 / given.depth, known, given.intrinsics


def disturbed(disparity, *, scale=0.15, shift=0.1, noise=0.01):
    """Another random factor, summand and noise for every frame."""
    random, n_frames = np.random.default_rng(SEED), len(disparity)
    factors = np.exp(random.normal(0, scale, n_frames))[:, None, None]
    summands = random.normal(0, shift, n_frames)[:, None, None] * np.median(disparity)
    grain = random.normal(0, noise, disparity.shape) * disparity
    return (disparity * factors + summands + grain).astype(np.float32)


def errors(disparity, truth, known):
    """Relative errors after one robust factor and summand for the whole clip."""
    given, true = disparity[known][::97].astype(float), truth[known][::97].astype(float)
    terms, weights = np.stack([given, np.ones_like(given)], axis=1), 1 / true
    for _ in range(10):
        fit = np.linalg.lstsq(terms * weights[:, None], true * weights, rcond=None)[0]
        weights = 1 / true / (1 + np.abs(terms @ fit - true) / true / 0.02)
    return (disparity * fit[0] + fit[1] - truth) / truth


def flicker(error, known):
    """By how much a pixel's error changes from frame to frame."""
    both = known[1:] & known[:-1]
    return float(np.abs(np.diff(error, axis=0))[both].mean())


def compare(folder, scale="affine", **disturbance):
    """Flicker before and after, and the error after."""
    frames, truth, known, lens = measured(folder)
    given = disturbed(truth, **disturbance)
    prediction = Prediction(given, scale, steady=False)
    steadied = steady_disparity(prediction, frames, lens, lambda done, total: None)
    before, after = (errors(values, truth, known) for values in (given, steadied))
    print(f"\nflicker {flicker(before, known):.4f} -> {flicker(after, known):.4f}, error", end=" ")
    print(f"{np.abs(before[known]).mean():.4f} -> {np.abs(after[known]).mean():.4f}")
    return flicker(before, known), flicker(after, known), float(np.abs(after[known]).mean())


@pytest.mark.skipif(not KITCHEN.is_dir(), reason="there is no folder ../shared/clips beside")
@pytest.mark.parametrize(
    "disturbance", [{}, {"scale": 0.3, "shift": 0.2}, {"noise": 0.02}], ids=["", "more", "noisy"]
)
def test_measured_depth_that_was_disturbed_comes_back(disturbance):
    """A hand-held camera: what moves with the camera must not be taken for a drifting scale."""
    before, after, error = compare(KITCHEN, **disturbance)
    assert after <= before / 10
    assert error <= 0.02


def test_the_sample_shot_with_a_moving_figure_comes_back():
    before, after, error = compare(SHOT)
    assert after <= before / 10
    assert error <= 0.02


def test_metric_depth_keeps_its_scale():
    """No factor but the frames' own on average: metres stay metres."""
    frames, truth, _, lens = measured(SHOT)
    frames, truth, lens = frames[::4], truth[::4], lens[::4]
    given = disturbed(truth, scale=0.1, shift=0)
    prediction = Prediction(given, "metric", steady=False)
    steadied = steady_disparity(prediction, frames, lens, lambda done, total: None)
    factors = steadied.mean(axis=(1, 2)) / truth.mean(axis=(1, 2))
    mean = (given / truth).mean()
    np.testing.assert_allclose(factors, mean, rtol=0.03)
    assert np.ptp(factors) < 0.01
    assert steadied.min() >= 0


def test_shots_are_steadied_apart_from_each_other():
    """Where nothing is seen before and after a cut, nothing ties the two."""
    frames, truth, _, lens = measured(SHOT)
    mirrored = np.concatenate([frames[:6], 255 - frames[30:36, ::-1]])
    given = np.concatenate([truth[:6], 3 * truth[30:36, ::-1]]).astype(np.float32)
    prediction = Prediction(given, "affine", steady=False)
    steadied = steady_disparity(prediction, mirrored, lens[:12], lambda done, total: None)
    np.testing.assert_allclose(steadied, given, rtol=0.25)
    np.testing.assert_allclose(np.median(steadied / given), 1, rtol=0.01)


def test_the_same_comes_out_twice_and_progress_is_told():
    frames, truth, _, lens = measured(SHOT)
    prediction = Prediction(disturbed(truth)[:5], "affine", steady=False)
    told = []
    first, second = (
        steady_disparity(prediction, frames[:5], lens[:5], lambda *counts: told.append(counts))
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    assert told[:5] == [(done, 5) for done in range(1, 6)]


def test_frames_without_anything_to_follow_stay_as_they_are():
    prediction = Prediction(np.ones((3, 40, 60), np.float32), "affine", steady=False)
    blank = np.zeros((3, 40, 60, 3), np.uint8)
    lens = np.broadcast_to(np.array([[50.0, 0, 30], [0, 50, 20], [0, 0, 1]]), (3, 3, 3))
    steadied = steady_disparity(prediction, blank, lens, lambda done, total: None)
    np.testing.assert_allclose(steadied, 1, rtol=1e-5)
    assert (
        steady_disparity(
            replace(prediction, disparity=np.zeros((3, 40, 60), np.float32)), blank, lens, print
        ).max()
        < 1e-6
    )
