"""Depth Anything V2 on tiny weights in the hub's own format."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ex4d.depth.estimators.depth_anything import load
from ex4d.errors import WeightsError

from .conftest import frames

CPU = torch.device("cpu")
RELATIVE = "Depth-Anything-V2-Small-hf"
METRIC = "Depth-Anything-V2-Metric-Indoor-Small-hf"


@pytest.fixture
def estimator(models):
    return load([models / RELATIVE], CPU)


def predict(estimator, pictures):
    return estimator.predict(pictures, lambda done, total: None)


@pytest.mark.parametrize("size", [(96, 64), (64, 96), (70, 70), (333, 101), (17, 23)])
def test_pictures_are_those_of_the_librarys_own_processor(estimator, models, size):
    """Our few lines run on the device; the library's need torchvision. They round to bytes between
    rows and columns, which shows where sharp edges overshoot: so there are none here."""
    from transformers import DPTImageProcessor

    given = frames(1, size) // 3 + 85
    processor = DPTImageProcessor.from_pretrained(models / RELATIVE)
    expected = processor(images=given[0], return_tensors="pt").pixel_values
    ours = estimator.pictures(given, estimator.picture_size(size))
    assert ours.shape == expected.shape
    assert (ours - expected).abs().max() < 0.02  # a level of 255 is 0.018


def test_the_result_is_that_of_the_librarys_model(estimator):
    given = frames(1, (70, 70))
    output = estimator.model(pixel_values=estimator.pictures(given, (70, 70))).predicted_depth
    np.testing.assert_array_equal(predict(estimator, given).disparity, output.numpy())
    assert output.std() > 0


@pytest.mark.parametrize("size", [(96, 64), (64, 96), (333, 101), (17, 23)])
def test_disparity_has_the_frames_size(estimator, size):
    prediction = predict(estimator, frames(2, size))
    assert prediction.disparity.shape == (2, size[1], size[0])
    assert prediction.disparity.dtype == np.float32
    assert np.isfinite(prediction.disparity).all()
    assert (prediction.scale, prediction.steady) == ("affine", False)


def test_a_metric_checkpoint_gives_metres(models):
    prediction = predict(load([models / METRIC], CPU), frames())
    assert prediction.scale == "metric"
    depth_m = 1 / prediction.disparity
    assert depth_m.min() > 0
    assert depth_m.max() <= 20 + 1e-4


def test_each_frame_is_looked_at_alone_and_always_the_same_way(estimator):
    given = frames(11)
    whole = predict(estimator, given).disparity
    np.testing.assert_array_equal(predict(estimator, given).disparity, whole)
    alone = predict(estimator, given[5:6]).disparity
    np.testing.assert_allclose(alone[0], whole[5], atol=1e-5 * np.abs(whole).max())


def test_progress_is_told_and_may_stop_it(estimator):
    told = []
    estimator.predict(frames(3), lambda *counts: told.append(counts))
    assert told[-1] == (3, 3)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        estimator.predict(frames(3), stop)


def damaged(models, folder, change):
    shutil.copytree(models / RELATIVE, folder)
    change(folder)
    with pytest.raises(WeightsError) as caught:
        load([folder], CPU)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def without(name):
    def change(folder):
        tensors = load_file(folder / "model.safetensors")
        tensors.pop(name)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})

    return change


def test_a_missing_tensor_is_named(models, tmp_path):
    text = damaged(models, tmp_path / "m", without("head.conv3.bias"))
    assert "missing keys" in text
    assert "head.conv3.bias" in text


def test_a_tensor_too_many_is_named(models, tmp_path):
    def change(folder):
        tensors = load_file(folder / "model.safetensors") | {"head.conv9.bias": torch.zeros(1)}
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})

    assert "head.conv9.bias" in damaged(models, tmp_path / "m", change)


def test_another_shape_is_named(models, tmp_path):
    def change(folder):
        tensors = load_file(folder / "model.safetensors")
        tensors["head.conv3.weight"] = torch.zeros(1, 9, 1, 1)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})

    assert "cannot be loaded" in damaged(models, tmp_path / "m", change)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "preprocessor_config.json"])
@pytest.mark.parametrize("content", [None, b"", b"{", b"[1]"])
def test_a_damaged_file_is_named(models, tmp_path, name, content):
    def change(folder):
        (folder / name).unlink()
        if content is not None:
            (folder / name).write_bytes(content)

    assert str(tmp_path) in damaged(models, tmp_path / "m", change)


def test_settings_of_another_network_are_refused(models, tmp_path):
    def change(folder):
        (folder / "preprocessor_config.json").write_text(json.dumps({"size": 70}))

    assert "not that of Depth Anything" in damaged(models, tmp_path / "m", change)
