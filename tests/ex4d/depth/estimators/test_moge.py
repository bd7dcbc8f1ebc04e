"""MoGe-2 on tiny weights in the published format, against what the public code computes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from ex4d.depth.estimators.lens import steady_focal
from ex4d.depth.estimators.moge.geometry import fit_focal_and_shift
from ex4d.depth.estimators.moge.load import load
from ex4d.errors import WeightsError

from . import tiny
from .conftest import frames

CPU = torch.device("cpu")
FOLDER = "moge-2-vitb-normal"
GOLDEN = Path(__file__).parents[3] / "data" / "golden_moge.npz"  # made by the script beside it
SIZES = {"wide": (48, 32), "tall": (35, 50), "shrunk": (190, 130)}  # the last by the network
STEPS = {"wide": 1, "tall": 1, "shrunk": 6}  # the golden file has every so many pixels


@pytest.fixture(scope="module")
def estimator(models):
    return load([models / FOLDER], CPU)


def predict(estimator, pictures):
    return estimator.predict(pictures, lambda done, total: None)


def kept(maps, name):
    return maps[..., :: STEPS[name], :: STEPS[name]]


@pytest.mark.parametrize("name", SIZES)
def test_the_network_is_that_of_the_public_code(estimator, name):
    pictures = torch.from_numpy(frames(2, SIZES[name])).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        ours = estimator.network(pictures)
    with np.load(GOLDEN) as arrays:
        for said, part in zip(ours, ("xyz", "mask", "scale"), strict=True):
            expected = arrays[f"{name}_{part}"]
            given = said.numpy() if part == "scale" else kept(said.numpy(), name)
            assert np.abs(given - expected).max() <= 1e-5 * np.abs(expected).max(), part


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("frame", [0, 1])
def test_depth_lens_and_confidence_are_those_of_the_public_code(estimator, name, frame):
    """Of a frame alone, since a clip has one lens."""
    width, _ = SIZES[name]
    prediction = predict(estimator, frames(2, SIZES[name])[frame : frame + 1])
    with np.load(GOLDEN) as arrays:
        focal_px = arrays[f"{name}_intrinsics"][frame, 0, 0] * width
        depth, mask = (arrays[f"{name}_{part}"][frame] for part in ("depth", "mask"))
    assert prediction.intrinsics[0, 0, 0] == pytest.approx(focal_px, rel=1e-4)
    np.testing.assert_allclose(1 / kept(prediction.disparity[0], name), depth, rtol=1e-4)
    confidence = kept(prediction.confidence[0], name)
    np.testing.assert_allclose(confidence, np.abs(2 * mask - 1), atol=1e-5)


@pytest.mark.parametrize("size", [(48, 32), (32, 48), (101, 33), (17, 23)])
def test_disparity_and_lens_fit_the_frames(estimator, size):
    prediction = predict(estimator, frames(3, size))
    assert prediction.disparity.shape == (3, size[1], size[0])
    assert (prediction.scale, prediction.steady) == ("metric", False)
    assert prediction.disparity.min() >= 0
    diagonal = np.hypot(*size) / 2
    assert 0.5 < prediction.intrinsics[0, 0, 0] / diagonal < 2.5
    assert (prediction.intrinsics == prediction.intrinsics[0]).all()
    np.testing.assert_array_equal(prediction.intrinsics[:, :2, 2], [np.array(size) / 2] * 3)


@pytest.mark.parametrize(("finite", "is_sky"), [(0.001, True), (0.49, True), (0.51, False)])
def test_what_is_rather_sky_than_not_is_infinitely_far(models, finite, is_sky):
    estimator = load([models / FOLDER], CPU)
    last = estimator.network.mask_head.output_blocks[-1]
    last.weight.data.zero_()
    last.bias.data.fill_(np.log(finite / (1 - finite)))
    assert ((predict(estimator, frames(1)).disparity == 0) == is_sky).all()


def test_batches_change_nothing_and_the_same_comes_out_twice(estimator):
    given = frames(6)
    whole = predict(estimator, given)
    np.testing.assert_array_equal(predict(estimator, given).disparity, whole.disparity)
    with torch.inference_mode():
        pictures = torch.from_numpy(given[4:5]).permute(0, 3, 1, 2).float() / 255
        alone = estimator.network(pictures).xyz[0, 2].numpy()
        batch = torch.from_numpy(given[2:6]).permute(0, 3, 1, 2).float() / 255
        together = estimator.network(batch).xyz[2, 2].numpy()
    np.testing.assert_allclose(alone, together, rtol=1e-5)


def test_progress_is_told_and_may_stop_it(estimator):
    told = []
    estimator.predict(frames(5), lambda *counts: told.append(counts))
    assert told == [(4, 5), (5, 5)]

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        estimator.predict(frames(1), stop)


def random_points(seed):
    """Points up to a shift, and where they are seen by a lens."""
    random = np.random.default_rng(seed)
    focal, shift = random.uniform(0.6, 6), random.uniform(-0.4, 1)
    plane = random.uniform(-0.8, 0.8, (500, 2))
    depth = np.exp(random.uniform(0, random.uniform(0.3, 2.5), 500)) + 0.5
    xyz = np.column_stack([plane / focal * depth[:, None], depth - shift])
    return xyz + random.normal(0, 0.002, xyz.shape), plane, focal, shift


@pytest.mark.parametrize("seed", range(12))
def test_the_fit_finds_the_lens_and_the_least_error(seed):
    points, plane, focal, shift = random_points(seed)
    found = fit_focal_and_shift(points, plane)
    np.testing.assert_allclose(found, (focal, shift), rtol=0.03, atol=0.03)

    def cost(tried):  # the slow way: the best focal length of a shift by a fine search
        seen = points[:, :2] / (points[:, 2:] + tried)
        return min(((f * seen - plane) ** 2).sum() for f in focal * np.linspace(0.9, 1.1, 401))

    near = found[1] + np.linspace(-0.02, 0.02, 21)
    assert cost(found[1]) <= min(map(cost, near)) * (1 + 2e-3)
    assert fit_focal_and_shift(points, plane, focal=focal)[1] == pytest.approx(shift, abs=0.03)


def test_points_that_are_no_picture_give_a_usual_lens():
    random = np.random.default_rng(0)
    focal, shift = fit_focal_and_shift(random.normal(size=(99, 3)), random.normal(size=(99, 2)))
    assert 0.2 <= focal <= 40
    assert np.isfinite(shift)
    assert fit_focal_and_shift(np.empty((0, 3)), np.empty((0, 2)))[1] == 0


def test_one_lens_for_a_clip_unless_it_zooms():
    trembling = 1.6 * np.exp(np.random.default_rng(0).normal(0, 0.03, 49))
    assert len(set(steady_focal(trembling))) == 1
    zooming = np.linspace(1, 4, 49)
    np.testing.assert_allclose(steady_focal(zooming)[8:-8], zooming[8:-8])


def refusal(tmp_path, change) -> str:
    folder = tiny.write_moge(tmp_path / "m")
    stored = torch.load(folder / "model.pt", weights_only=True)
    change(stored)
    torch.save(stored, folder / "model.pt")
    with pytest.raises(WeightsError) as caught:
        load([folder], CPU)
    assert "\n" not in str(caught.value)
    assert str(folder / "model.pt") in str(caught.value)
    return str(caught.value)


def test_tensors_that_do_not_fit_are_named(tmp_path):
    name = "neck.output_blocks.0.bias"
    assert "scale_head.0.bias is missing" in refusal(
        tmp_path / "a", lambda stored: stored["model"].pop("scale_head.0.bias")
    )
    assert f"{name} in" in refusal(
        tmp_path / "b", lambda stored: stored["model"].update({name: torch.zeros(1)})
    )
    assert "has the shape [9]" in refusal(
        tmp_path / "c", lambda stored: stored["model"].update({"scale_head.0.bias": torch.zeros(9)})
    )


def test_settings_that_are_not_known_are_named(tmp_path):
    def no_neck(stored):
        del stored["model_config"]["neck"]

    assert "not that of MoGe-2" in refusal(tmp_path / "a", no_neck)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    sprung = tmp_path / "sprung"
    refusal(tmp_path, lambda stored: stored.update({"extra": Trap(sprung)}))
    assert not sprung.exists()
