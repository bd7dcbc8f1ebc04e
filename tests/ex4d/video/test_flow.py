"""Optical flow on pictures that are moved by a known amount, and cuts between shots."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ex4d.video.cuts import find_shots
from ex4d.video.flow import ClipFlow


def texture(seed: int, size=(160, 120)) -> np.ndarray:
    """A picture with something to see everywhere."""
    noise = np.random.default_rng(seed).uniform(0, 255, (size[1], size[0], 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    low, high = np.percentile(smooth, [1, 99])
    return (255 * np.clip((smooth - low) / (high - low), 0, 1)).astype(np.uint8)


def shot(seed: int, n_frames: int, speed=(1.5, 0.5)) -> np.ndarray:
    """A camera that passes along a picture: so many pixels right and down a frame."""
    picture = texture(seed, (260, 200))
    frames = []
    for frame in range(n_frames):
        move = np.float64([[1, 0, -frame * speed[0]], [0, 1, -frame * speed[1]]])
        frames.append(cv2.warpAffine(picture, move, (160, 120)))
    return np.stack(frames)


def test_matches_are_where_the_picture_went():
    flow = ClipFlow(shot(0, 5))
    found = flow.matches(0, 4)
    moved = found.there - found.here
    np.testing.assert_allclose(np.median(moved, axis=0), [-6, -2], atol=0.05)
    assert np.percentile(np.linalg.norm(moved - [-6, -2], axis=1), 95) < 0.3
    assert found.share > 0.8


def test_matches_are_in_pixels_of_the_frames_whatever_their_size():
    """The flow is computed on smaller pictures; a quarter of a pixel there is one here."""
    frames = np.stack([cv2.resize(frame, (1280, 960)) for frame in shot(0, 2)])
    found = ClipFlow(frames).matches(0, 1)
    moved = np.median(found.there - found.here, axis=0)
    np.testing.assert_allclose(moved, [-12, -4], atol=0.4)
    assert found.here.min() > 0
    assert (found.here.max(axis=0) < [1280, 960]).all()


def test_points_that_leave_the_picture_are_no_matches():
    found = ClipFlow(shot(0, 2, speed=(40, 0))).matches(0, 1)
    assert (found.there >= 0).all()
    assert found.here[:, 0].min() > 30


@pytest.mark.parametrize("lengths", [[9], [4, 5], [3, 3, 4], [1, 8]])
def test_cuts_are_found_where_they_are(lengths):
    """Each shot has its own light, as shots have, and a moving camera."""
    lights = [(1.0, 0.7, 0.4), (0.2, 0.5, 0.9), (0.9, 0.9, 0.3)]
    shots = [shot(n, length) * lights[n] for n, length in enumerate(lengths)]
    frames = np.concatenate(shots).astype(np.uint8)
    found = find_shots(frames)
    assert [len(numbers) for numbers in found] == lengths
    assert [frame for numbers in found for frame in numbers] == list(range(sum(lengths)))


def test_a_clip_of_one_frame_is_one_shot():
    frames = shot(0, 1)
    assert find_shots(frames) == [range(1)]
