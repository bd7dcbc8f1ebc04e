"""The camera paths that have names, against the public code's formulas written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ex4d.camera.presets import orbit_radius, preset_path
from ex4d.convention import EXACT, UPSTREAM
from ex4d.errors import UsageError

NAMES = ["30", "-30", "+12.5", "60", "90", "-90", "135", "-360", "180", "-180", "zoom_in"]
RADIUS = 2.7


def eyes_of(path: np.ndarray) -> np.ndarray:
    return np.linalg.inv(path)[:, :3, 3]


def yaws_deg(path: np.ndarray) -> np.ndarray:
    forward = path[:, 2, :3]
    return np.degrees(np.arctan2(-forward[:, 0], forward[:, 2]))


def public_code_eyes(angle_deg: float, n_frames: int, radius: float) -> np.ndarray:
    """recon.py's formulas, as they stand there."""
    rounds = max(49 / n_frames, n_frames / 49)
    end = (360 if angle_deg == 180 else angle_deg) * rounds
    eyes = []
    for i in range(n_frames):
        t = math.radians(end) * i / (n_frames - 1)
        if angle_deg == 180:
            eyes.append([math.sin(t) * radius, (math.cos(t) - 1) * radius * 0.2, 0])
        else:
            fold = abs(math.cos(t))
            eyes.append([math.sin(t) * radius, (fold - 1) * radius * 0.2, radius - radius * fold])
    return np.array(eyes)


def surface(depth: float = 2.0, size: tuple[int, int] = (40, 60)) -> np.ndarray:
    picture = np.full(size, 3 * depth, np.float32)
    picture[12:30, 20:45] = depth
    return picture


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("convention", [EXACT, UPSTREAM])
@pytest.mark.parametrize("n_frames", [1, 2, 25, 49, 97])
def test_a_path_begins_at_the_identity_and_every_pose_is_rigid(name, convention, n_frames):
    path = preset_path(name, n_frames, RADIUS, convention)
    assert path.shape == (n_frames, 4, 4)
    np.testing.assert_allclose(path[0], np.eye(4), atol=1e-12)
    rotation = path[:, :3, :3]
    np.testing.assert_allclose(
        rotation @ rotation.swapaxes(1, 2), [np.eye(3)] * n_frames, atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(rotation), 1)
    np.testing.assert_array_equal(path[:, 3], [[0, 0, 0, 1]] * n_frames)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("convention", [EXACT, UPSTREAM])
def test_every_camera_looks_upright_at_the_centre_of_the_orbit(name, convention):
    path = preset_path(name, 49, RADIUS, convention)
    center = path @ [0, 0, RADIUS, 1]
    np.testing.assert_allclose(center[:, :2], 0, atol=1e-9)
    assert (center[:, 2] > 0).all()
    np.testing.assert_allclose(path[:, 0, 1], 0, atol=1e-12)  # no roll


@pytest.mark.parametrize("angle_deg", [30, -30, 60, 90, -90])
def test_an_orbit_ends_at_its_angle_on_the_circle(angle_deg):
    path = preset_path(str(angle_deg), 49, RADIUS)
    t = math.radians(angle_deg)
    end = [math.sin(t), 0.2 * (math.cos(t) - 1), 1 - math.cos(t)]
    np.testing.assert_allclose(eyes_of(path)[-1], np.multiply(end, RADIUS), atol=1e-9)
    np.testing.assert_allclose(yaws_deg(path), np.linspace(0, angle_deg, 49), atol=1e-6)


def test_the_sweep_turns_45_degrees_to_both_sides_and_comes_back():
    path = preset_path("180", 49, RADIUS)
    yaw = yaws_deg(path)
    assert (yaw.argmax(), yaw.argmin()) == (12, 36)
    np.testing.assert_allclose([yaw[12], yaw[36]], [45, -45])
    np.testing.assert_allclose(path[-1], path[0], atol=1e-9)
    np.testing.assert_allclose(eyes_of(path)[24], [0, -0.4 * RADIUS, 0], atol=1e-9)
    np.testing.assert_allclose(yaws_deg(preset_path("-180", 49, RADIUS)), -yaw, atol=1e-9)


@pytest.mark.parametrize(("name", "sign"), [("zoom_in", 1), ("zoom_out", -1)])
def test_a_dolly_goes_straight_half_the_way_to_the_nearest_surface(name, sign):
    path = preset_path(name, 5, RADIUS)
    shares = np.array([0, 0.125, 0.25, 0.375, 0.5])
    np.testing.assert_allclose(eyes_of(path)[:, 2], sign * RADIUS * shares)
    np.testing.assert_array_equal(path[:, :3, :3], [np.eye(3)] * 5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("step", [2, 3, 4, 6, 12])
def test_fewer_frames_sample_the_same_path(name, step):
    whole = preset_path(name, 49, RADIUS)
    np.testing.assert_allclose(preset_path(name, 48 // step + 1, RADIUS), whole[::step], atol=1e-9)


@pytest.mark.parametrize("angle_deg", [30, -60, 90, 135, 180])
@pytest.mark.parametrize("n_frames", [13, 25, 49, 97])
def test_the_public_codes_convention_repeats_its_formulas(angle_deg, n_frames):
    path = preset_path(str(angle_deg), n_frames, RADIUS, UPSTREAM)
    eyes = public_code_eyes(angle_deg, n_frames, RADIUS)
    np.testing.assert_allclose(eyes_of(path), eyes, atol=1e-9)


@pytest.mark.parametrize("angle_deg", [30, -60, 90, 180])
def test_at_49_frames_and_up_to_90_degrees_both_conventions_agree(angle_deg):
    exact = preset_path(str(angle_deg), 49, RADIUS, EXACT)
    upstream = preset_path(str(angle_deg), 49, RADIUS, UPSTREAM)
    np.testing.assert_allclose(exact, upstream, atol=1e-9)


def test_beyond_90_degrees_only_the_public_code_folds_back():
    assert eyes_of(preset_path("135", 49, 1.0))[-1, 2] == pytest.approx(1 + math.sqrt(0.5))
    assert eyes_of(preset_path("135", 49, 1.0, UPSTREAM))[-1, 2] == pytest.approx(
        1 - math.sqrt(0.5)
    )


@given(name=st.sampled_from(NAMES), factor=st.floats(1e-3, 1e4), depth=st.floats(0.1, 100))
def test_scaling_the_depth_scales_the_path(name, factor, depth):
    one = preset_path(name, 9, orbit_radius(surface(depth)))
    other = preset_path(name, 9, orbit_radius(surface(depth * factor)))
    np.testing.assert_allclose(other[:, :3, :3], one[:, :3, :3], atol=1e-6)
    np.testing.assert_allclose(other[:, :3, 3], factor * one[:, :3, 3], atol=1e-6 * factor * depth)


def test_the_orbits_centre_lies_just_behind_the_nearest_surface():
    assert orbit_radius(surface(2.0)) == pytest.approx(2 * 1.06)


@pytest.mark.parametrize("stray", [0.001, 0.5, 1e4])
@pytest.mark.parametrize("place", [(0, 0), (20, 30), (39, 59), (5, 5)])
def test_one_stray_pixel_does_not_move_the_orbits_centre(stray, place):
    depth = surface() + np.random.default_rng(0).normal(0, 0.01, (40, 60)).astype(np.float32)
    radius = orbit_radius(depth)
    depth[place] = stray
    assert orbit_radius(depth) == pytest.approx(radius, rel=1e-3)


@pytest.mark.parametrize("place", [np.s_[:, 7], np.s_[9], np.s_[3:7, 30:34]])
def test_a_thin_line_or_a_speck_does_not_move_the_orbits_centre(place):
    """A line is more than the nearest percent; a speck is wider than the median."""
    depth = surface()
    depth[place] = 0.1
    assert orbit_radius(depth) == pytest.approx(orbit_radius(surface()), rel=1e-3)


def test_the_public_codes_radius_is_the_minimum_inside_the_border_plus_0_15():
    depth = surface()
    depth[5, 5] = 1.5
    depth[0, :] = depth[-1, :] = depth[:, 0] = depth[:, -1] = 0.2  # the border is moved to 100
    assert orbit_radius(depth, UPSTREAM) == pytest.approx(1.65)
    assert orbit_radius(np.full((8, 8), 5000.0), UPSTREAM) == pytest.approx(100.15)


@pytest.mark.parametrize("name", ["", "zoom", "30deg", "nan", "inf", "1e2", "361", "--30", "30 "])
def test_an_unknown_name_is_refused_with_the_list_of_names(name):
    with pytest.raises(UsageError) as caught:
        preset_path(name, 49, RADIUS)
    assert f"There is no camera path {name!r}" in str(caught.value)
    for known in ("30", "-60", "180", "zoom_in", "zoom_out"):
        assert known in str(caught.value)
