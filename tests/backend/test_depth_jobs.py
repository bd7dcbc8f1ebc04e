"""Depth of every kind in jobs: pictures, lenses, estimators. Real workers, tiny models."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import numpy as np
import OpenEXR
import pytest

from backend.settings import ServerSettings
from ex4d.camera.trajectory import Trajectory
from ex4d.depth.exr import write_exr
from ex4d.errors import InputError
from ex4d.files.npz import read_npz
from protocol.messages.jobs import (
    Conditions,
    DepthCleaning,
    DepthEstimate,
    DepthFiles,
    DepthReading,
    JobState,
    Lens,
    Reconstruct,
    Source,
)
from tests.ex4d.cli.conftest import make_shot
from tests.ex4d.depth.estimators import tiny

from .conftest import OWNER
from .test_job_runner import REAL, SIZE, arrays_of, path_of, result, source_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Tiny estimators; nobody changes anything in their folder."""
    return tiny.write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def shot(tmp_path_factory):
    return make_shot(tmp_path_factory.mktemp("shot"), 6, SIZE)


@pytest.fixture
def service(make_service, models, monkeypatch):
    """A service whose worker finds the tiny estimators."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return make_service(runner=REAL, settings=ServerSettings(models=models))


def pictures_of(harness, shot, tmp_path) -> list:
    """The shot's depth as pictures on the server."""
    blobs = []
    for number, depth in enumerate(read_npz(shot / "depth.npz", InputError)["depth"]):
        write_exr(tmp_path / f"{number}.exr", depth)
        blobs.append(harness.blob((tmp_path / f"{number}.exr").read_bytes()))
    return blobs


def arrays_in(folder: Path, name="reconstruction.npz") -> dict[str, np.ndarray]:
    return read_npz(folder / name, InputError)


def failure(harness, job):
    [info] = harness.ended(harness.service.submit(OWNER, uuid.uuid4().hex, job)[0].job_id)
    assert info.state is JobState.FAILED
    return info


def test_pictures_give_what_the_same_depth_in_one_file_gives(service, shot, tmp_path):
    source = source_of(service, shot)
    expected = arrays_in(result(service, Reconstruct(source), tmp_path))
    frames = DepthFiles(pictures_of(service, shot, tmp_path), "depth.1001.exr")
    source = Source(source.clip, source.clip_name, frames)
    made = arrays_in(result(service, Reconstruct(source), tmp_path))
    for name, array in expected.items():
        np.testing.assert_array_equal(made[name], array, name)


def test_the_channel_that_was_chosen_is_told(service, shot, tmp_path):
    blobs = []
    for depth in read_npz(shot / "depth.npz", InputError)["depth"]:
        passes = {"V.Mist.Z": depth / 100, "V.Depth.Z": depth, "V.Normal.Z": depth * 0}
        with OpenEXR.File({"type": OpenEXR.scanlineimage}, passes) as file:
            file.write(str(tmp_path / "a.exr"))
        blobs.append(service.blob((tmp_path / "a.exr").read_bytes()))
    source = source_of(service, shot)
    expected = arrays_in(result(service, Reconstruct(source), tmp_path))
    source = Source(source.clip, source.clip_name, DepthFiles(blobs, "shot_1001_v02.exr"))
    made = arrays_in(result(service, Reconstruct(source), tmp_path))
    assert made.pop("notes").tobytes().decode() == "depth from V.Depth.Z"
    for name, array in made.items():
        np.testing.assert_array_equal(array, expected[name], name)
    made = result(service, Conditions(source, arrays_of(path_of())), tmp_path)
    assert json.loads((made / "summary.json").read_text("utf-8"))["notes"] == [
        "depth from V.Depth.Z"
    ]


def test_reading_and_cleaning_are_the_jobs(service, shot, tmp_path):
    depth = source_of(service, shot).depth.blobs
    reading = DepthReading(scale=0.5)
    cleaning = DepthCleaning(sky_distance=2.0)
    source = source_of(service, shot)
    source = Source(source.clip, "a.mp4", DepthFiles(depth, reading=reading), cleaning=cleaning)
    made = arrays_in(result(service, Reconstruct(source), tmp_path))
    np.testing.assert_allclose(made["disparity_max"], 1)  # the box at 2, halved
    np.testing.assert_allclose(made["disparity_min"], 1 / 2)  # the wall at 6, halved and limited


def test_the_lens_of_every_frame_is_that_of_the_conditions(service, shot, tmp_path):
    """A camera that zooms as the source's own lens does re-shows the plate."""
    focal = np.linspace(50, 80, 6)
    lens = np.column_stack([2 * focal, 2 * focal, np.full(6, 64.0), np.full(6, 48.0)])
    source = source_of(service, shot, lens=Lens(128, 96, lens.astype("<f8").tobytes()))
    intrinsics = np.zeros((6, 3, 3))
    intrinsics[:, [0, 1], [0, 1]] = focal[:, None]
    intrinsics[:, :2, 2], intrinsics[:, 2, 2] = (32, 24), 1
    still = Trajectory(np.tile(np.eye(4), (6, 1, 1)), intrinsics, SIZE)
    folder = result(service, Conditions(source, arrays_of(still)), tmp_path)
    made = arrays_in(result(service, Reconstruct(source), tmp_path))
    np.testing.assert_allclose(made["intrinsics"], intrinsics)
    coverage = json.loads((folder / "summary.json").read_text())["coverage"]
    assert min(coverage) > 0.8  # all but the rims is seen, in every frame


def test_a_lens_of_another_length_is_refused(service, shot):
    lens = Lens(64, 48, np.full((4, 4), 30.0).astype("<f8").tobytes())
    info = failure(service, Reconstruct(source_of(service, shot, lens=lens)))
    assert info.error_code == "invalid_camera"
    assert "the lens has 4 frames" in info.error_text


def estimated(service, shot, name="depth-anything-indoor", **more):
    source = source_of(service, shot)
    return Source(source.clip, source.clip_name, DepthEstimate(name, **more))


def test_an_estimate_is_a_file_with_which_takes_are_rendered(service, shot, tmp_path):
    """The depth that the mesh has is the depth that the conditions have."""
    source = estimated(service, shot)
    made = result(service, Reconstruct(source), tmp_path)
    stages = list(dict.fromkeys(info.stage for info in service.events if info.stage))
    assert stages[:4] == ["read", "download", "estimate", "steady"]
    depth = service.blob((made / "depth.npz").read_bytes())
    files = Source(source.clip, source.clip_name, DepthFiles([depth]))
    again = result(service, Reconstruct(files), tmp_path)
    for name, array in arrays_in(made).items():
        np.testing.assert_array_equal(arrays_in(again)[name], array, name)
    path = arrays_of(path_of())
    first, second = (result(service, Conditions(s, path), tmp_path) for s in (source, files))
    assert (first / "mask.mp4").read_bytes() == (second / "mask.mp4").read_bytes()


def test_an_estimator_stays_warm(service, shot, tmp_path):
    for _ in range(2):
        result(service, Reconstruct(estimated(service, shot)), tmp_path)
    assert [info.stage for info in service.events].count("download") <= 1


def test_the_servers_choice_is_its_default(service, shot, tmp_path):
    made = arrays_in(result(service, Reconstruct(estimated(service, shot, "")), tmp_path))
    assert made["disparity"].shape == (6, 48, 64)


def test_an_unknown_estimator_fails_its_job_with_those_that_there_are(service, shot):
    info = failure(service, Reconstruct(estimated(service, shot, "guess")))
    assert info.error_code == "invalid_usage"
    assert "depth-anything-outdoor" in info.error_text
