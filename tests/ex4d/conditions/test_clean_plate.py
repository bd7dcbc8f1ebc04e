"""The clean plate of a still camera."""

import numpy as np
import pytest

from ex4d.conditions.clean_plate import clean_plate, stands_still


def test_what_moves_is_gone_and_the_wall_behind_it_is_whole(moving_square):
    scene, wall = moving_square(n_frames=10, step=8)
    frame, depth = clean_plate(scene.frames, scene.depth)
    np.testing.assert_array_equal(frame[0], wall)
    np.testing.assert_array_equal(depth[0], 4.0)


def test_what_never_moves_away_stays(moving_square):
    scene, _ = moving_square(n_frames=5, step=0)
    frame, depth = clean_plate(scene.frames, scene.depth)
    np.testing.assert_array_equal(frame[0], scene.frames[0])
    np.testing.assert_array_equal(depth[0], scene.depth[0])


def test_a_camera_before_which_something_moves_stands_still(moving_square):
    scene, _ = moving_square()
    assert stands_still(scene.frames)


def test_a_camera_that_drifts_does_not_stand_still(moving_square):
    scene, _ = moving_square(height=96, width=128)
    drifting = np.stack([np.roll(frame, t, axis=1) for t, frame in enumerate(scene.frames)])
    assert not stands_still(drifting)


def test_a_picture_without_any_corner_cannot_be_smeared():
    assert stands_still(np.full((3, 40, 40, 3), 100, np.uint8))


@pytest.mark.parametrize("n_frames", [1, 2, 20])
def test_a_stray_far_depth_in_one_frame_of_many_is_not_believed(n_frames):
    depth = np.full((n_frames, 40, 33), 3.0, np.float32)
    frames = np.full((n_frames, 40, 33, 3), 100, np.uint8)
    depth[-1, 5, 7], frames[-1, 5, 7] = 50.0, 255
    frame, plate_depth = clean_plate(frames, depth)
    believed = n_frames < 2  # one frame is all there is
    assert plate_depth[0, 5, 7] == (50 if believed else 3)
    assert frame[0, 5, 7, 0] == (255 if believed else 100)
