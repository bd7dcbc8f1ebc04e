"""Metrics by their laws, and against definitions written out."""

from __future__ import annotations

import numpy as np
import pytest

from ex4d.errors import InputError
from ex4d.training.evaluation.metrics import compare_frames, mean_of


@pytest.fixture
def truth():
    return np.random.default_rng(0).integers(40, 200, (5, 24, 32, 3), dtype=np.uint8)


@pytest.fixture
def mask():
    mask = np.ones((5, 24, 32), np.bool_)
    mask[1:, :, 20:] = False
    return mask


def test_the_truth_itself_is_perfect(truth, mask):
    curves = compare_frames(truth, truth, mask)
    assert len(curves) == 9
    for region in ("all", "seen", "unseen"):
        means = {m: mean_of(curves[f"{m}/{region}"]) for m in ("psnr", "ssim", "flicker")}
        assert means == pytest.approx({"psnr": 100, "ssim": 1, "flicker": 0})


def test_an_error_counts_where_it_is(truth, mask):
    result = truth.copy()
    result[:, :, 20:] += 10  # only what is unseen, and all of frame 0 is seen
    curves = compare_frames(result, truth, mask)
    expected = 10 * np.log10(255**2 / 100)
    assert curves["psnr/unseen"][1:] == pytest.approx(expected)
    assert np.isnan(curves["psnr/unseen"][0])
    assert curves["psnr/seen"][1:] == pytest.approx(100)
    assert curves["psnr/all"] == pytest.approx(10 * np.log10(255**2 / (100 * 12 / 32)))


def test_a_steady_error_does_not_flicker_and_an_alternating_one_does(truth, mask):
    steady, alternating = truth + 10, truth.copy()
    alternating[1::2] += 10
    for result, level in ((steady, 0), (alternating, 10)):
        curves = compare_frames(result, truth, mask)
        for region in ("all", "seen", "unseen"):
            assert curves[f"flicker/{region}"][1:] == pytest.approx(level)
            assert np.isnan(curves[f"flicker/{region}"][0])


def test_similarity_is_that_of_the_definition(truth):
    result = np.random.default_rng(1).integers(0, 256, truth.shape, dtype=np.uint8)
    curves = compare_frames(result[:1], truth[:1])
    offsets = np.arange(11) - 5
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    total = 0.0
    for row, column, color in np.ndindex(24, 32, 3):
        pad = [(5, 5), (5, 5)]
        x, y = (
            np.pad(v[0, ..., color].astype(float), pad, "reflect")[
                row : row + 11, column : column + 11
            ]
            for v in (result, truth)
        )
        mean_x, mean_y = (window * x).sum(), (window * y).sum()
        var_x, var_y = (window * x * x).sum() - mean_x**2, (window * y * y).sum() - mean_y**2
        both = (window * x * y).sum() - mean_x * mean_y
        light = (2 * mean_x * mean_y + 6.5025) / (mean_x**2 + mean_y**2 + 6.5025)
        total += light * (2 * both + 58.5225) / (var_x + var_y + 58.5225)
    assert curves["ssim/all"][0] == pytest.approx(total / (24 * 32 * 3), rel=1e-9)


def test_other_sizes_and_lengths_are_refused(truth, mask):
    with pytest.raises(InputError, match="4 frames of 32x24, and the truth 5 frames of 32x24"):
        compare_frames(truth[:4], truth, mask)
    with pytest.raises(InputError, match="and the mask 5 frames of 16x24"):
        compare_frames(truth, truth, mask[:, :, :16])


def test_a_mean_leaves_out_frames_without_a_value():
    assert mean_of(np.array([np.nan, 1, 3])) == 2
    assert mean_of(np.array([np.nan])) is None
