"""DepthCrafter on tiny weights in the public format, against what the public code computes."""

from __future__ import annotations

import json
import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ex4d.depth.estimators.catalogue import ESTIMATORS
from ex4d.depth.estimators.depthcrafter.estimator import picture_size
from ex4d.depth.estimators.depthcrafter.load import load
from ex4d.depth.estimators.depthcrafter.windows import Windows
from ex4d.errors import WeightsError

from .conftest import frames

# diffusers 0.42 hands tensors to NumPy 2 in a way that NumPy says will end
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CPU = torch.device("cpu")
GOLDEN = Path(__file__).parents[3] / "data" / "golden_depthcrafter.npz"
PARTS = [part.folder for part in ESTIMATORS["depthcrafter"].parts]


@pytest.fixture(scope="module")
def estimator(models):
    return load([models / folder for folder in PARTS], CPU)


def predict(estimator, pictures, windows=None):
    return replace(estimator, windows=windows or Windows()).predict(
        pictures, lambda done, total: None
    )


@pytest.mark.parametrize(
    ("name", "n_frames", "size", "windows"),
    [("short", 5, (128, 64), Windows()), ("windows", 9, (64, 64), Windows(length=4, overlap=2))],
)
def test_the_public_code_computes_the_same(estimator, name, n_frames, size, windows):
    """Made by tests/data/make_golden_depthcrafter.py; stored in 16 bits, half a step is 8e-6."""
    with np.load(GOLDEN) as arrays:
        expected = arrays[name] / 65535
    ours = predict(estimator, frames(n_frames, size), windows).disparity
    assert np.abs(ours - expected).max() < 1e-4
    assert ours.std() > 0.03


def test_disparity_is_0_to_1_over_the_clip_and_steady(estimator):
    prediction = predict(estimator, frames(3, (100, 70)))
    assert (prediction.scale, prediction.steady) == ("affine", True)
    assert prediction.disparity.shape == (3, 70, 100)
    assert (prediction.disparity.min(), prediction.disparity.max()) == (0, 1)


def test_the_same_comes_out_twice(estimator):
    one, other = (predict(estimator, frames(2, (64, 64))).disparity for _ in range(2))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("n_frames", [1, 4, 5, 6, 7, 8, 9])
def test_every_length_is_made_of_windows(estimator, n_frames):
    windows = Windows(steps=1, length=4, overlap=2)
    prediction = predict(estimator, frames(n_frames, (64, 64)), windows)
    assert len(prediction.disparity) == n_frames
    assert np.isfinite(prediction.disparity).all()


def test_progress_is_told_and_may_stop_it(estimator):
    told = []
    estimator.predict(frames(3, (64, 64)), lambda *counts: told.append(counts))
    assert told[-1] == (3, 3)
    assert len(told) == 5

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        estimator.predict(frames(2, (64, 64)), stop)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((512, 512), (512, 512)),
        ((1024, 576), (1024, 576)),
        ((1920, 1080), (1024, 576)),
        ((480, 272), (512, 256)),
        ((20, 30), (64, 64)),
    ],
)
def test_pictures_have_sides_of_64_and_1024_at_most(size, expected):
    assert picture_size(size) == expected


def test_every_frame_is_looked_at(estimator):
    """Each frame has an embedding and a place in the clip of its own."""
    given = frames(3, (64, 64))
    changed = given.copy()
    changed[2] = 255 - changed[2]
    before, after = (predict(estimator, pictures).disparity for pictures in (given, changed))
    assert np.abs(before[0] - after[0]).max() > 1e-4


def test_a_failure_while_encoding_does_not_change_what_comes_after(estimator):
    """A GPU has the VAE in fp16, and encodes in fp32: there a clip that is too large may fail."""
    half = replace(estimator, vae=deepcopy(estimator.vae).half())
    before = predict(half, frames(2, (64, 64))).disparity
    with pytest.raises(RuntimeError, match="to have 3 channels"):
        predict(half, np.zeros((1, 64, 64, 4), np.uint8))
    np.testing.assert_array_equal(predict(half, frames(2, (64, 64))).disparity, before)


def test_settings_that_are_none_are_refused(models, tmp_path):
    for folder in PARTS:
        shutil.copytree(models / folder, tmp_path / folder)
    settings = tmp_path / PARTS[1] / "feature_extractor" / "preprocessor_config.json"
    settings.write_text(json.dumps({"image_mean": [1, 2]}))
    with pytest.raises(WeightsError, match="not that of an image encoder"):
        load([tmp_path / folder for folder in PARTS], CPU)
