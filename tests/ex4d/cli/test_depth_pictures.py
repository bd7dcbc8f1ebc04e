"""Depth as pictures on the command line: which are taken, and which channel."""

from __future__ import annotations

import numpy as np
import OpenEXR
import pytest

from ex4d.errors import InputError
from ex4d.files.npz import read_npz

KIND = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}


@pytest.fixture
def versions(shot, tmp_path):
    """Two versions of the shot's depth in one folder; the first is twice as far."""
    folder = tmp_path / "depth"
    folder.mkdir()
    for number, depth in enumerate(read_npz(shot / "depth.npz", InputError)["depth"], start=-2):
        for version, factor in (("v01", 2), ("v02", 1)):
            left = {"V.Depth.Z": depth * factor, "V.Mist.Z": depth / 99}
            parts = [
                OpenEXR.Part({**KIND, "view": "left"}, left, "V"),
                OpenEXR.Part({**KIND, "view": "right"}, {"V.Depth.Z": depth * 5}, "W"),
            ]
            with OpenEXR.File(parts) as file:
                file.write(str(folder / f"shot_{number:04d}_{version}.exr"))
    return folder


@pytest.mark.parametrize(
    "name", ["shot_####_v02.exr", "shot_%04d_v02.exr", "shot_-001_v02.exr", "shot_0001_v02.exr"]
)
def test_the_frames_of_the_version_that_is_named_are_read(recon, versions, shot, tmp_path, name):
    answer = recon(depth=versions / name, save_depth="npz")
    assert answer.exit_code == 0, answer.err
    assert "depth from V.Depth.Z of part 1 of 2, view left, not right" in answer.out
    made, given = (
        read_npz(p, InputError) for p in (tmp_path / "out/depth.npz", shot / "depth.npz")
    )
    np.testing.assert_array_equal(made["depth"], given["depth"])


def test_a_view_may_be_asked_for(recon, versions, shot, tmp_path):
    answer = recon(depth=versions / "shot_####_v02.exr", depth_layer="right", save_depth="npz")
    assert "depth from V.Depth.Z of part 2 of 2, view right, not left" in answer.out
    made, given = (
        read_npz(p, InputError) for p in (tmp_path / "out/depth.npz", shot / "depth.npz")
    )
    np.testing.assert_array_equal(made["depth"], given["depth"] * 5)


@pytest.mark.parametrize(
    ("lost", "name", "words"),
    [
        (None, "", ["shot_-002_v01.exr and ", "shot_-002_v02.exr are both frame -2"]),
        ("shot_0000_v02.exr", "shot_####_v02.exr", ["frame 0 is missing before"]),
    ],
)
def test_doubles_and_gaps_are_refused(recon, versions, lost, name, words):
    if lost:
        (versions / lost).unlink()
    answer = recon(depth=versions / name)
    assert (answer.exit_code, answer.err.count("\n")) == (2, 1)
    for word in words:
        assert word in answer.err
