"""Intrinsics that come with depth.npz: for which size they are, and what else is in the file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ex4d.depth.depth_files import open_depth
from ex4d.depth.files import ClipDepth, Lens, read_depth, write_depth
from ex4d.errors import DepthError

DEPTH = np.full((4, 72, 128), 3, np.float32)


def lens(focal: float, x: float, y: float) -> np.ndarray:
    return np.array([[focal, 0, x], [0, focal, y], [0, 0, 1]])


@pytest.fixture
def clip(make_clip):
    """Of 1280x720 pixels, worked on at 320x180."""
    return replace(make_clip(4, size=(320, 180)), native_size=(1280, 720))


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def read(tmp_path, clip, said):
    """A function: intrinsics of frame 0 from a file with these arrays; warnings go to `said`."""

    def read(*, lens: Lens | None = None, **arrays: object) -> np.ndarray:
        np.savez(tmp_path / "depth.npz", depth=DEPTH, **arrays)
        depth = read_depth(tmp_path / "depth.npz", clip, lens)
        said[:] = depth.warnings
        return depth.intrinsics[0]

    return read


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(lens(150, 64, 36), id="the depth's own"),
        pytest.param(lens(375, 160, 90), id="the working size"),
        pytest.param(lens(1500, 640, 360), id="the video's"),
        pytest.param(lens(607, 259, 145.5), id="another of the same aspect"),
    ],
)
def test_the_principal_point_tells_for_which_size_the_lens_is(read, given):
    np.testing.assert_allclose(read(intrinsics=given), lens(375, 160, 90), rtol=2e-3)


def test_a_lens_of_another_size_is_told(read, said):
    read(intrinsics=lens(1500, 640, 360))
    words = "are for 1280x720 pixels by their principal point, the depth has 128x72"
    assert [warning.endswith(words) for warning in said] == [True]
    read(intrinsics=lens(150, 64, 36))
    assert said == []


def test_a_shifted_lens_is_for_the_depths_own_size(read):
    np.testing.assert_allclose(read(intrinsics=lens(150, 90, 36)), lens(375, 225, 90))


def test_the_size_in_the_file_counts(read):
    found = read(intrinsics=lens(150, 150, 36), size=np.array([256, 144]))
    np.testing.assert_allclose(found, lens(187.5, 187.5, 45))


def test_a_principal_point_outside_of_the_picture_is_refused(read):
    with pytest.raises(
        DepthError, match=r"principal point at 500, 36, outside of the depth's 128x"
    ):
        read(intrinsics=lens(150, 500, 36))
    given = lens(200, 160, 90)
    found = read(intrinsics=lens(150, 500, 36), lens=Lens(given, given=given))
    np.testing.assert_array_equal(found, given)  # what is not used may be wrong


def test_a_lens_shifted_out_of_the_picture_comes_back_bit_for_bit(tmp_path, make_clip):
    clip = make_clip(4, size=(128, 72))
    intrinsics = np.broadcast_to(lens(150, 140, 36), (4, 3, 3))
    write_depth(tmp_path / "depth.npz", ClipDepth(DEPTH, intrinsics, "given"))
    found = read_depth(tmp_path / "depth.npz", clip)
    np.testing.assert_array_equal(found.intrinsics, intrinsics)
    np.testing.assert_array_equal(found.depth, DEPTH)


def test_what_nobody_asked_for_is_named_and_not_read(tmp_path):
    np.savez(tmp_path / "a.npz", depth=DEPTH, conf=np.array([object()]), extrinsics=np.eye(4))
    stored = open_depth(tmp_path / "a.npz")  # conf is pickled, which would be refused
    assert stored.others == ("conf", "extrinsics")
    stored.frame(0)
    stored.close()
