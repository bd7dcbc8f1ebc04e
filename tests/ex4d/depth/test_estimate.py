"""From pictures to the depth of a clip, with an estimator that says what the test wants."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from ex4d.depth.cleaning import DepthCleaning
from ex4d.depth.estimate import estimate_depth
from ex4d.depth.estimators.base import Prediction
from ex4d.depth.files import Lens
from ex4d.depth.scale import depth_from_disparity

SIZE = (40, 30)
LENS = np.array([[50.0, 0, 20], [0, 50, 15], [0, 0, 1]])
ASSUMED = Lens(LENS)
RAW = DepthCleaning(edges=0, sky_distance=0)


@dataclass
class Says:
    """An estimator that gives a prediction."""

    prediction: Prediction
    seen: list[np.ndarray] = field(default_factory=list)

    def predict(self, frames, report):
        self.seen.append(frames)
        report(len(frames), len(frames))
        return self.prediction


def pictures(n_frames=3):
    return np.random.default_rng(0).integers(0, 255, (n_frames, *SIZE[::-1], 3), np.uint8)


def ramp(n_frames=3, near=1.0, far=0.1):
    return np.broadcast_to(np.linspace(near, far, SIZE[0]), (n_frames, *SIZE[::-1])).astype("f4")


def estimate(disparity, scale="metric", *, cleaning=RAW, **more):
    prediction = Prediction(disparity, scale, steady=True, **more)
    return estimate_depth(Says(prediction), pictures(len(disparity)), ASSUMED, cleaning=cleaning)


def test_metric_disparity_is_depth_in_metres():
    given = estimate(ramp())
    np.testing.assert_allclose(given.depth, 1 / ramp(), rtol=1e-6)
    assert given.lens_from == "assumed"


def test_affine_disparity_gets_the_public_codes_depth():
    """10000 / (3900 d) of the disparity between its least and greatest, over the whole clip."""
    given = estimate(5 * ramp() - 2, "affine")
    share = (ramp() - 0.1) / 0.9
    expected = np.clip(10_000 / np.maximum(3900 * share, 1e-5), 1e-4, 1e4)
    np.testing.assert_allclose(given.depth, expected, rtol=1e-4)
    assert given.depth.min() == pytest.approx(2.564, abs=1e-3)
    assert given.depth.max() == 1e4


def test_disparity_that_is_the_same_everywhere_is_no_error():
    assert np.isfinite(depth_from_disparity(np.ones((2, 3, 3), np.float32), "affine")).all()


def test_the_estimators_lens_is_taken_unless_another_is_given():
    own = np.broadcast_to(2 * LENS, (3, 3, 3))
    prediction = Prediction(ramp(), "metric", steady=True, intrinsics=own)
    given = estimate_depth(Says(prediction), pictures(), ASSUMED)
    assert (given.lens_from, given.intrinsics[0, 0, 0]) == ("depth", 100)
    given = estimate_depth(Says(prediction), pictures(), Lens(LENS, given=LENS))
    assert (given.lens_from, given.intrinsics[0, 0, 0]) == ("given", 50)


def test_the_sky_is_pushed_to_its_distance_or_filled():
    disparity = ramp()
    disparity[:, :8] = 0
    pushed = estimate(disparity, cleaning=DepthCleaning(edges=0, sky_distance=None))
    assert (pushed.depth[:, :8] > 40).all()
    np.testing.assert_allclose(pushed.depth[:, 8:], 1 / ramp()[:, 8:], rtol=1e-6)
    filled = estimate(disparity)
    assert filled.depth.max() == pytest.approx(10)


def test_what_is_a_guess_is_unknown_and_filled():
    confidence = np.ones_like(ramp())
    confidence[:, 10:20, 10:20] = 0
    disparity = ramp()
    disparity[:, 10:20, 10:20] = 9
    given = estimate(disparity, confidence=confidence)
    assert given.unknown_share == pytest.approx(100 / (30 * 40))
    assert given.depth.min() == pytest.approx(1)


def test_frames_that_were_looked_at_alone_are_steadied():
    told = []
    prediction = Prediction(ramp(), "metric", steady=False)
    estimate_depth(
        Says(prediction), pictures(), ASSUMED, report=lambda *counts: told.append(counts)
    )
    assert told[0] == ("estimate", 3, 3)
    assert ("steady", 3, 3) in told


def test_a_sky_over_the_whole_clip_is_still_a_depth():
    given = estimate(np.zeros_like(ramp()), cleaning=DepthCleaning(sky_distance=None))
    assert np.isfinite(given.depth).all()
    assert (given.depth > 0).all()


def test_what_a_report_raises_stops_the_work():
    def stop(stage, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        estimate_depth(
            Says(Prediction(ramp(), "metric", steady=True)), pictures(), ASSUMED, report=stop
        )
