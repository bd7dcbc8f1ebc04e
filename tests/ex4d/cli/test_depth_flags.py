"""The flags of depth and lens."""

from __future__ import annotations

import numpy as np
import pytest

from ex4d.errors import InputError
from ex4d.files.npz import read_npz
from ex4d.video.writer import read_mask
from tests.ex4d.depth.estimators import tiny

WRONG = {
    "depth near": ({"depth_near": 2}, ["near and far", "both"]),
    "depth range": ({"depth_near": 5, "depth_far": 2}, ["near is 5", "far is 2"]),
    "depth values": ({"depth_values": "z"}, ["'z'", "ray_length"]),
    "depth scale": ({"depth_scale": 0}, ["scale 0"]),
    "reading": ({"depth": "depth-anything", "depth_scale": 2}, ["--depth_scale", "estimated"]),
    "edges": ({"clean_edges": 1.5}, ["edges is 1.5"]),
    "sky": ({"sky_distance": -1}, ["distance is -1"]),
    "lens and fov": ({"fov": 50, "lens": 35}, ["--fov", "--lens", "not both"]),
    "sensor": ({"sensor": 24}, ["--sensor", "--lens"]),
    "lens": ({"lens": -35}, ["--lens -35"]),
    "lens too long": ({"lens": 5000}, ["--lens 5000", "1 to 175"]),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_flag_of_depth_is_named(recon, tmp_path, kind):
    changes, words = WRONG[kind]
    answer = recon(**changes)
    assert answer.exit_code == 2
    assert answer.err.count("\n") == 1
    for word in words:
        assert word in answer.err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Tiny estimators; nobody changes anything in their folder."""
    return tiny.write_models(tmp_path_factory.mktemp("models"))


def test_depth_is_estimated_by_name_and_says_its_licence(recon, tmp_path, models):
    answer = recon(depth="depth-anything-indoor", models=models, save_depth="npz")
    assert answer.exit_code == 0, answer.err
    assert "depth     Depth Anything V2 Metric Indoor Small, Apache-2.0" in answer.out
    saved = read_npz(tmp_path / "out" / "depth.npz", InputError)
    assert saved["depth"].shape == (6, 48, 64)
    assert 0 < saved["depth"].min() <= saved["depth"].max() <= 20.001


def test_a_saved_estimate_makes_the_same_conditions_again(recon, tmp_path, models):
    first = recon(depth="depth-anything", models=models, save_depth="npz")
    assert first.exit_code == 0, first.err
    again = recon(depth=tmp_path / "out" / "depth.npz", output_dir=tmp_path / "again")
    assert again.exit_code == 0
    masks = [read_mask(tmp_path / name / "mask_30.mp4")[0] for name in ("out", "again")]
    np.testing.assert_array_equal(*masks)


def test_without_a_network_the_files_and_their_places_are_said(recon, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    answer = recon(depth="depth-anything", models=tmp_path / "models")
    assert answer.exit_code == 1
    assert "cannot be reached" in answer.err
    assert str(tmp_path / "models" / "Depth-Anything-V2-Small-hf" / "config.json") in answer.err
    assert not (tmp_path / "out").exists()
