"""Simulated camera paths: laws that every drawn path keeps."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ex4d.training.paths import PATH_KINDS, draw_path

RADIUS = 2.7
SEEDS = range(400)


def paths_of(kind: str, n_frames: int = 49) -> list:
    drawn = [draw_path(seed, n_frames, RADIUS) for seed in SEEDS]
    return [path for path in drawn if path.kind == kind]


def eyes_of(poses: np.ndarray) -> np.ndarray:
    return np.linalg.inv(poses)[:, :3, 3]


@given(st.integers(0, 2**32 - 1), st.integers(2, 97), st.floats(1e-3, 1e3))
def test_a_path_is_rigid_smooth_and_begins_at_the_source(seed, n_frames, radius):
    poses = draw_path(seed, n_frames, radius).world_to_camera
    assert (poses.shape, poses.dtype) == ((n_frames, 4, 4), np.float64)
    np.testing.assert_allclose(poses[0], np.eye(4), atol=1e-9 * max(1, radius))
    rotation = poses[:, :3, :3]
    np.testing.assert_allclose(
        rotation @ rotation.swapaxes(1, 2), [np.eye(3)] * n_frames, atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(rotation), 1)
    assert np.abs(poses - np.eye(4)).max() > 1e-3 * min(1, radius)  # it moves


def test_the_same_seed_draws_the_same_path_and_another_another():
    first, again, other = (draw_path(seed, 49, RADIUS) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.world_to_camera, again.world_to_camera)
    assert first.numbers == again.numbers
    assert np.abs(first.world_to_camera - other.world_to_camera).max() > 0.01


@given(st.integers(0, 10_000), st.floats(1e-3, 1e3))
def test_a_path_grows_with_the_scene(seed, factor):
    small, large = draw_path(seed, 13, RADIUS), draw_path(seed, 13, RADIUS * factor)
    np.testing.assert_allclose(
        eyes_of(large.world_to_camera) / factor, eyes_of(small.world_to_camera), atol=1e-8 * RADIUS
    )


def test_every_kind_is_drawn_as_often_as_it_should_be():
    drawn = Counter(draw_path(seed, 2, RADIUS).kind for seed in range(2000))
    for kind, share in PATH_KINDS.items():
        assert abs(drawn[kind] / 2000 - share) < 0.04


def test_orbits_go_up_to_90_degrees_to_either_side():
    angles = np.array([path.numbers["angle_deg"] for path in paths_of("orbit")])
    assert (np.abs(angles) >= 5).all()
    assert (np.abs(angles) <= 90).all()
    assert angles.min() < -75
    assert angles.max() > 75


@pytest.mark.parametrize("kind", ["orbit", "sweep", "random"])
def test_orbits_sweeps_and_random_paths_look_at_the_scene(kind):
    for path in paths_of(kind):
        center = path.world_to_camera @ [0, 0, RADIUS, 1]
        np.testing.assert_allclose(center[:, :2], 0, atol=1e-9)
        assert (center[:, 2] > RADIUS / 2).all()


@pytest.mark.parametrize("kind", ["dolly", "lateral"])
def test_dollies_and_lateral_moves_keep_their_direction(kind):
    for path in paths_of(kind):
        np.testing.assert_array_equal(path.world_to_camera[:, :3, :3], [np.eye(3)] * 49)
        eyes = eyes_of(path.world_to_camera)
        moved = {"forward": 2} if kind == "dolly" else {"right": 0, "down": 1}
        for name, axis in moved.items():
            assert eyes[-1, axis] == pytest.approx(path.numbers[name])
        still = [axis for axis in range(3) if axis not in moved.values()]
        np.testing.assert_allclose(eyes[:, still], 0, atol=1e-12)


def test_a_dolly_stops_before_the_nearest_surface():
    forward = [path.numbers["forward"] / RADIUS for path in paths_of("dolly")]
    assert max(forward) <= 0.6
    assert min(forward) >= -1


def test_random_paths_keep_within_what_was_drawn():
    for path in paths_of("random"):
        eyes = eyes_of(path.world_to_camera) - [0, 0, RADIUS]
        yaw = np.degrees(np.arctan2(eyes[:, 0], -eyes[:, 2]))
        assert np.abs(yaw).max() == pytest.approx(path.numbers["yaw_deg"])
        distance = np.linalg.norm(eyes, axis=1) - RADIUS
        assert np.abs(distance).max() == pytest.approx(path.numbers["farther"], abs=1e-9)


def test_random_paths_never_jump():
    """Of 49 frames no step is longer than a quarter of the whole way round the scene."""
    for path in paths_of("random"):
        steps = np.linalg.norm(np.diff(eyes_of(path.world_to_camera), axis=0), axis=1)
        assert steps.max() < 0.25 * RADIUS * np.pi / 2
