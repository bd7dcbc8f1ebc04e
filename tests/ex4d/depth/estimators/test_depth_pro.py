"""Depth Pro on tiny weights in the hub's own format."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ex4d.depth.estimators.depth_pro import load
from ex4d.errors import WeightsError

from . import tiny
from .conftest import frames

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def estimator(models):
    return load([models / "DepthPro-hf"], CPU)


def predict(estimator, pictures):
    return estimator.predict(pictures, lambda done, total: None)


@pytest.mark.parametrize("size", [(96, 64), (64, 96), (64, 64), (101, 33)])
def test_pictures_are_those_of_the_librarys_own_processor(estimator, models, size):
    from transformers import DepthProImageProcessor

    given = frames(1, size)
    processor = DepthProImageProcessor.from_pretrained(models / "DepthPro-hf")
    expected = processor(images=given[0], return_tensors="pt").pixel_values
    assert (estimator.pictures(given) - expected).abs().max() < 1e-5


@pytest.mark.parametrize("size", [(96, 64), (64, 96)])
def test_depth_and_lens_are_those_of_the_librarys_own_processor(estimator, models, size):
    from transformers import DepthProImageProcessor

    given = frames(1, size)
    output = estimator.model(pixel_values=estimator.pictures(given))
    processor = DepthProImageProcessor.from_pretrained(models / "DepthPro-hf")
    [expected] = processor.post_process_depth_estimation(output, target_sizes=[size[::-1]])
    prediction = predict(estimator, given)
    np.testing.assert_allclose(
        prediction.intrinsics[0, 0, 0], expected["focal_length"].item(), rtol=1e-5
    )
    np.testing.assert_allclose(
        1 / prediction.disparity[0], expected["predicted_depth"].numpy(), rtol=1e-3
    )


def test_it_is_metric_and_the_same_twice(estimator):
    first, second = (predict(estimator, frames(2)) for _ in range(2))
    np.testing.assert_array_equal(first.disparity, second.disparity)
    assert (first.scale, first.steady) == ("metric", False)
    assert first.disparity.min() >= 0
    assert first.intrinsics.shape == (2, 3, 3)


def test_progress_is_told_and_may_stop_it(estimator):
    told = []
    estimator.predict(frames(3), lambda *counts: told.append(counts))
    assert told == [(1, 3), (2, 3), (3, 3)]

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        estimator.predict(frames(1), stop)


def test_a_checkpoint_without_field_of_view_is_refused(tmp_path):
    folder = tiny.write_depth_pro(tmp_path)
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"use_fov_model": true', '"use_fov_model": false'))
    with pytest.raises(WeightsError):
        load([folder], CPU)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "preprocessor_config.json"])
def test_a_missing_file_is_named(tmp_path, name):
    folder = tiny.write_depth_pro(tmp_path)
    (folder / name).unlink()
    with pytest.raises(WeightsError, match=str(tmp_path)):
        load([folder], CPU)
