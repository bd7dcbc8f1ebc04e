"""Camera paths are checked when they are made; the text names the frame and the value."""

from __future__ import annotations

import numpy as np
import pytest

from ex4d.camera.trajectory import (
    Trajectory,
    check_extrinsics,
    check_intrinsics,
    check_size,
    scale_intrinsics,
)
from ex4d.errors import CameraError

LENS = np.array([[50.0, 0, 32], [0, 50, 24], [0, 0, 1]])


def poses(n_frames: int = 4) -> np.ndarray:
    path = np.tile(np.eye(4), (n_frames, 1, 1))
    path[:, 0, 3] = np.arange(n_frames)
    return path


def trajectory(**changes) -> Trajectory:
    given = {"world_to_camera": poses(), "intrinsics": LENS, "size": (64, 48), **changes}
    return Trajectory(**given)


def refusal(check, *arguments, **named) -> str:
    with pytest.raises(CameraError) as caught:
        check(*arguments, **named)
    text = str(caught.value)
    assert "\n" not in text
    return text


def turn(degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_extrinsics_that_are_not_finite_name_frame_and_value(value):
    path = poses()
    path[2, 1, 3] = value
    assert f"frame 2 hold {value}" in refusal(check_extrinsics, path)


@pytest.mark.parametrize(
    ("rotation", "words"),
    [
        (np.diag([1, 1, -1]), "is mirrored (determinant -1"),
        (1.1 * np.eye(3), "scales or shears (determinant 1.331"),
        (np.diag([1, 1, 0.99]), "scales or shears (determinant 0.99"),
        (np.array([[1, 0.01, 0], [0, 1, 0], [0, 0, 1]]), "scales or shears (determinant 1, "),
        (np.zeros((3, 3)), "scales or shears (determinant 0"),
        (np.array([[1e200, 1e200, 0], [1e200, -1e200, 0], [0, 0, 1]]), "scales or shears"),
    ],
)
def test_a_rotation_that_is_none_names_its_frame_and_determinant(rotation, words):
    path = poses()
    path[3, :3, :3] = rotation
    text = refusal(check_extrinsics, path)
    assert "extrinsics of frame 3" in text
    assert words in text


def test_a_rotation_rounded_to_four_digits_is_accepted():
    path = poses()
    path[1, :3, :3] = np.round(turn(37), 4)
    np.testing.assert_array_equal(check_extrinsics(path), path)


def test_a_wrong_last_row_names_its_frame_and_values():
    path = poses()
    path[1, 3] = [0, 0, 0.5, 1]
    assert "frame 1 end in [0.0, 0.0, 0.5, 1.0]" in refusal(check_extrinsics, path)


@pytest.mark.parametrize("shape", [(4, 4), (0, 4, 4), (2, 4, 3), (2, 3, 3), (2, 1, 4, 4), ()])
def test_extrinsics_of_another_shape_say_which(shape):
    text = refusal(check_extrinsics, np.zeros(shape), "source_extrinsics")
    assert "source_extrinsics must be [T, 4, 4]" in text
    assert str(list(shape)) in text


@pytest.mark.parametrize("given", [np.array([["a"]]), np.eye(4, dtype=complex)[None], [{}], [None]])
@pytest.mark.parametrize("check", [check_extrinsics, lambda given: check_intrinsics(given, 4)])
def test_what_is_not_numbers_is_refused(check, given):
    assert "must be numbers, not " in refusal(check, given)


def test_poses_of_three_rows_get_their_fourth():
    np.testing.assert_array_equal(check_extrinsics(poses()[:, :3]), poses())


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32])
def test_any_numbers_become_float64_and_the_callers_array_is_left_alone(dtype):
    given = poses().astype(dtype)
    path = check_extrinsics(given)
    path[0, 0, 3] = 7
    assert path.dtype == np.float64
    assert given[0, 0, 3] == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_intrinsics_that_are_not_finite_name_frame_and_value(value):
    lenses = np.tile(LENS, (4, 1, 1))
    lenses[2, 0, 2] = value
    assert f"frame 2 hold {value}" in refusal(check_intrinsics, lenses, 4)


@pytest.mark.parametrize("focal_px", [0.0, -50.0])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_focal_length_that_is_not_positive_names_frame_and_value(focal_px, axis):
    lenses = np.tile(LENS, (4, 1, 1))
    lenses[3, axis, axis] = focal_px
    assert f"frame 3 has focal length {focal_px:g} px" in refusal(check_intrinsics, lenses, 4)


@pytest.mark.parametrize("place", [(2, 0), (2, 1), (2, 2), (1, 0)])
def test_a_matrix_that_is_no_camera_names_its_frame(place):
    lenses = np.tile(LENS, (4, 1, 1))
    lenses[1][place] = 2
    assert "frame 1 are not [[f, 0, c], [0, f, c], [0, 0, 1]]" in refusal(
        check_intrinsics, lenses, 4
    )


def test_a_skewed_lens_is_refused_as_it_is_on_the_wire():
    lenses = np.tile(LENS, (4, 1, 1))
    lenses[1, 0, 1] = 1e-9  # what a product of matrices leaves
    assert check_intrinsics(lenses, 4)[1, 0, 1] == 0
    lenses[1, 0, 1] = 2.5
    assert "frame 1 are skewed by 2.5 px" in refusal(check_intrinsics, lenses, 4)


@pytest.mark.parametrize("shape", [(3, 3, 3), (4, 4), (4, 3, 4), (5, 3, 3)])
def test_intrinsics_of_another_shape_say_which_are_wanted(shape):
    text = refusal(check_intrinsics, np.ones(shape), 4)
    assert f"must be [3, 3] or [4, 3, 3], they are {list(shape)}" in text


def test_one_lens_serves_every_frame():
    np.testing.assert_array_equal(check_intrinsics(LENS, 4), np.tile(LENS, (4, 1, 1)))


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((0, 48), "size 0x48 is outside 1..8192"),
        ((64, -1), "size 64x-1 is outside 1..8192"),
        ((8193, 48), "size 8193x48 is outside 1..8192"),
        ((1e30, 48), "size 1e+30x48 is outside 1..8192"),
        ((64.5, 48), "two whole numbers (W, H), it is [64.5, 48.0]"),
        ((np.nan, 48), "two whole numbers (W, H), it is [nan, 48.0]"),
        ((64, 48, 3), "two whole numbers (W, H), it is [64.0, 48.0, 3.0]"),
        (np.array("64x48"), "must be numbers"),
    ],
)
def test_a_size_that_is_no_pictures_is_refused_with_its_value(size, words):
    assert words in refusal(check_size, size)
    assert words in refusal(trajectory, size=size)


@pytest.mark.parametrize(
    ("source_frames", "words"),
    [
        ([0, 1, -1, 3], "source_frames of frame 2 is -1"),
        ([0, np.nan, 2, 3], "source_frames of frame 1 is nan"),
        ([0, 1, 2, np.inf], "source_frames of frame 3 is inf"),
        ([1e300, 1, 2, 3], "source_frames of frame 0 is 1e+300"),
        ([0, 1], "source_frames hold 2 numbers, the camera path has 4 frames"),
        ([[0, 1, 2, 3]], "source_frames hold 4 numbers"),
    ],
)
def test_wrong_source_frames_name_frame_and_value(source_frames, words):
    assert words in refusal(trajectory, source_frames=np.array(source_frames))


def test_source_frames_beyond_the_clip_name_the_first():
    path = trajectory(source_frames=np.array([0, 5, 6, 0]))
    path.check_sources(7)
    text = refusal(path.check_sources, 5)
    assert "frame 1 of the camera path shows source frame 5" in text
    assert "frames 0 to 4" in text


def test_source_extrinsics_of_another_length_say_both_numbers():
    path = trajectory(source_extrinsics=poses(5))
    path.check_sources(5)
    assert "hold 5 poses, the clip has 4 frames" in refusal(path.check_sources, 4)


def test_source_extrinsics_are_checked_by_their_name():
    bad = poses()
    bad[1, 0, 0] = 2
    text = refusal(trajectory, source_extrinsics=bad)
    assert "the rotation in source_extrinsics of frame 1" in text


def test_source_frames_count_up_by_default_and_fractions_go_to_the_nearest():
    assert trajectory().source_frames.tolist() == [0, 1, 2, 3]
    slowed = trajectory(source_frames=np.array([0, 0.4, 0.5, 1.2]))
    assert slowed.source_frames.tolist() == [0, 0, 1, 1]
    assert slowed.source_frames.dtype == np.int64


def test_the_source_cameras_own_path_is_taken_out():
    path, source = poses(), poses()
    path[2, :3, :3], source[1, :3, :3] = turn(20), turn(50)
    frozen = trajectory(
        world_to_camera=path, source_extrinsics=source, source_frames=np.array([0, 0, 1, 1])
    )
    np.testing.assert_allclose(frozen.source_to_camera(2), path[2] @ np.linalg.inv(source[1]))
    np.testing.assert_array_equal(trajectory(world_to_camera=path).source_to_camera(2), path[2])
    assert len(frozen) == 4


def test_scaled_intrinsics_show_the_same_picture():
    scaled = scale_intrinsics(np.tile(LENS, (2, 1, 1)), (64, 48), (128, 24))
    point = np.array([0.3, -0.2, 2.0])
    u, v, w = LENS @ point
    np.testing.assert_allclose(scaled @ point, [[2 * u, 0.5 * v, w]] * 2)
