"""Laws of the conditions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ex4d.camera.presets import preset_path
from ex4d.camera.trajectory import Trajectory
from ex4d.conditions.render import render_conditions, run_frames
from ex4d.conditions.scene import Scene
from ex4d.convention import UPSTREAM
from ex4d.errors import CameraError
from ex4d.raster.cpu import CpuRasterizer

from .conftest import intrinsics_of, texture


def rotation(axis, angle):
    axis = np.asarray(axis) / np.linalg.norm(axis)
    cross = np.cross(np.eye(3), axis)
    return (
        np.cos(angle) * np.eye(3)
        - np.sin(angle) * cross
        + (1 - np.cos(angle)) * np.outer(axis, axis)
    )


def pose(axis=(0, 1, 0), angle=0.0, shift=(0, 0, 0)):
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation(axis, angle), shift
    return matrix


def still(n_frames):
    return np.repeat(np.eye(4)[None], n_frames, axis=0)


def render(scene, poses, **changes):
    height, width = scene.depth.shape[1:]
    size = changes.pop("size", (width, height))
    intrinsics = changes.pop("intrinsics", scene.intrinsics[: len(poses)])
    return render_conditions(scene, Trajectory(poses, intrinsics, size, **changes), CpuRasterizer())


@settings(max_examples=25, deadline=None)
@given(st.integers(8, 70), st.integers(8, 60), st.floats(0.4, 3), st.integers(0, 1000))
def test_the_source_camera_gets_the_source_back(width, height, focal, seed):
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(width, height)
    depth = (3 + random.uniform(0, 0.5) * np.sin(3 * x + 2 * y)).astype(np.float32)
    # One level of a channel is a quarter of a pixel: equality means an error below 0.1 px.
    frame = np.stack([4 * np.mgrid[:height, :width][1], 4 * np.mgrid[:height, :width][0]] * 2, -1)
    frame = (frame % 256).astype(np.uint8)[..., :3]
    intrinsics = intrinsics_of(width, height, focal)[None].repeat(2, axis=0)
    scene = Scene(np.stack([frame, frame]), np.stack([depth, depth]), intrinsics)
    conditions = render(scene, still(2))
    inner = (1, slice(2, -2), slice(2, -2))  # the border ring's faces are holes
    assert conditions.mask[inner].mean() >= 0.999
    np.testing.assert_array_equal(conditions.color[inner], frame[2:-2, 2:-2])
    assert conditions.mask[0].all()
    np.testing.assert_array_equal(conditions.color[0], frame)


def test_the_first_frame_is_rendered_when_its_camera_is_not_the_sources(moving_square):
    scene, _ = moving_square(2)
    moved = render(scene, np.stack([pose(shift=(0.01, 0, 0)), np.eye(4)]))
    other_lens = render(scene, still(2), intrinsics=scene.intrinsics[0] * [[1.01], [1.01], [1]])
    assert not moved.mask[0].all()
    assert not other_lens.mask[0].all()


def test_upstreams_convention_shifts_the_source_by_half_a_pixel():
    frame = np.broadcast_to((2 * np.arange(96, dtype=np.uint8))[None, :, None], (64, 96, 3))
    intrinsics = np.broadcast_to(UPSTREAM.default_intrinsics(96, 64), (2, 3, 3))
    depth = np.full((2, 64, 96), 3, np.float32)
    scene = Scene(np.stack([frame] * 2), depth, intrinsics, convention=UPSTREAM)
    shown = render(scene, still(2)).color[1, 10:-10, 10:-10].astype(int)
    np.testing.assert_array_equal(shown - frame[10:-10, 10:-10], 1)  # half a step of 2 levels


@pytest.mark.parametrize("distance", [2.0, 6.0, 18.0])
def test_from_afar_no_background_shows_through_a_foreground(distance):
    """Far away, faces are much smaller than pixels; the red square still hides the wall."""
    frames = np.repeat(texture(120, 160)[None], 2, axis=0)
    depth = np.full((2, 120, 160), 4.0, np.float32)
    frames[:, 20:100, 40:120], depth[:, 20:100, 40:120] = (220, 20, 20), 2.0
    scene = Scene(frames, depth, intrinsics_of(160, 120)[None].repeat(2, axis=0))
    conditions = render(scene, np.stack([pose(shift=(0, 0, distance))] * 2))
    scale = 2 / (2 + distance)
    y, x = np.mgrid[:120, :160] + 0.5
    inside = np.maximum(abs(x - 80), abs(y - 60)) < 39 * scale - 1  # within the fading rim
    shown = conditions.color[0][inside]
    assert len(shown) >= 9
    assert conditions.mask[0][inside].all()
    np.testing.assert_array_equal(shown, np.broadcast_to([220, 20, 20], shown.shape))


@pytest.mark.parametrize("angle", [0.6, -0.9])
def test_a_hole_beside_the_foreground_shows_neither_surface(moving_square, angle):
    scene, _ = moving_square(2)
    turn = pose(shift=(0, 0, 3)) @ pose((0, 1, 0), angle) @ pose(shift=(0, 0, -3))
    conditions = render(scene, np.stack([np.eye(4), turn]))
    assert 0.02 < (~conditions.mask[1]).mean() < 0.7
    assert (conditions.color[1][~conditions.mask[1]] == 0).all()
    assert (conditions.color[1][conditions.mask[1]].max(axis=-1) >= 40).all()  # no dark fringe


@settings(max_examples=15, deadline=None)
@given(
    arrays(np.float64, 3, elements=st.floats(0.1, 1)),
    st.floats(-3, 3),
    arrays(np.float64, 3, elements=st.floats(-5, 5)),
)
def test_moving_world_and_cameras_together_changes_nothing(axis, angle, shift):
    frames = np.stack([texture(40, 56), texture(40, 56, 1)])
    y, x = np.mgrid[:40, :56]
    depth = np.stack([3 + 0.8 * np.sin(x / 9) + (y > 20)] * 2).astype(np.float32)
    intrinsics = intrinsics_of(56, 40)[None].repeat(2, axis=0)
    scene = Scene(frames, depth, intrinsics)
    poses = np.stack([pose(angle=0.1), pose((1, 1, 0), 0.4, (0.5, 0, 0.2))])
    moved_world = np.linalg.inv(pose(axis, angle, shift))
    plain = render(scene, poses, source_extrinsics=still(2))
    moved = render(scene, poses @ moved_world, source_extrinsics=still(2) @ moved_world)
    assert (plain.mask == moved.mask).mean() > 0.999
    both = plain.mask & moved.mask
    assert (np.abs(plain.color[both].astype(int) - moved.color[both]) <= 1).mean() > 0.999


def test_scaling_depth_and_path_together_changes_nothing(moving_square):
    scene, _ = moving_square(3)
    path = preset_path("40", 3, 2.1)
    for scale in (1e-3, 250.0):
        scaled_path = path.copy()
        scaled_path[:, :3, 3] *= scale
        scaled = Scene(scene.frames, scene.depth * np.float32(scale), scene.intrinsics)
        plain, other = render(scene, path), render(scaled, scaled_path)
        assert (plain.mask == other.mask).mean() > 0.999


def test_freezing_time_shows_one_source_frame_from_every_camera(moving_square):
    scene, _ = moving_square(6)
    path = preset_path("20", 4, 2.1)
    intrinsics = scene.intrinsics[:4]
    frozen = render(scene, path, intrinsics=intrinsics, source_frames=[3, 3, 3, 3])
    alone = Scene(scene.frames[3:4], scene.depth[3:4], scene.intrinsics[3:4])
    same = render(alone, path, intrinsics=intrinsics, source_frames=[0, 0, 0, 0])
    np.testing.assert_array_equal(frozen.color, same.color)
    np.testing.assert_array_equal(frozen.color[0], scene.frames[3])


def test_slow_motion_repeats_source_frames(moving_square):
    scene, _ = moving_square(3)
    slow = render(scene, still(6), intrinsics=scene.intrinsics[0], source_frames=np.arange(6) * 0.4)
    assert [int(frame) for frame in np.floor(np.arange(6) * 0.4 + 0.5)] == [0, 0, 1, 1, 2, 2]
    np.testing.assert_array_equal(slow.color[2], slow.color[3])
    assert (slow.color[3] != slow.color[4]).any()


def test_a_held_camera_steadies_a_moving_source():
    """A plane filmed by a camera that shifts sideways stands still in a camera that does not."""
    height, width = 60, 120
    wall = texture(height, width + 40)
    frames = np.stack([wall[:, 2 * t : 2 * t + width] for t in range(5)])
    intrinsics = intrinsics_of(width, height, 1.0)
    depth = np.full((5, height, width), 3.0, np.float32)
    one_pixel = 3.0 / intrinsics[0, 0]
    source = np.stack([pose(shift=(-2 * t * one_pixel, 0, 0)) for t in range(5)])
    scene = Scene(frames, depth, intrinsics[None].repeat(5, axis=0))
    held = render(scene, np.repeat(source[:1], 5, axis=0), source_extrinsics=source)
    both = held.mask[4] & held.mask[0]
    assert both.mean() > 0.85
    np.testing.assert_allclose(held.color[4][both], frames[0][both].astype(float), atol=1)


def test_another_size_and_lens_show_the_same_scene(moving_square):
    scene, _ = moving_square(2)
    double = scene.intrinsics[0] * [[2], [2], [1]]
    large = render(scene, still(2), size=(192, 128), intrinsics=double)
    np.testing.assert_array_equal(large.mask[1, 24:36, 40:60], True)
    centers = large.color[1, 41:87:2, 25:63:2].astype(int)  # a quarter of a pixel off the vertices
    assert np.abs(centers - [220, 20, 20]).max(axis=-1).min() <= 1
    half = render(
        scene, still(2), size=(48, 32), intrinsics=scene.intrinsics[0] * [[0.5], [0.5], [1]]
    )
    assert np.abs(half.color[1, 12:20, 10:12].astype(int) - [220, 20, 20]).max() <= 1


def test_the_same_inputs_give_the_same_bytes(moving_square):
    scene, _ = moving_square()
    path = preset_path("35", 8, 2.1)
    first, second = render(scene, path), render(scene, path)
    np.testing.assert_array_equal(first.color, second.color)
    np.testing.assert_array_equal(first.mask, second.mask)


def test_a_path_beyond_the_clip_is_refused_with_its_frame(moving_square):
    scene, _ = moving_square(3)
    with pytest.raises(CameraError, match=r"frame 1 .* source frame 7"):
        render(scene, still(2), intrinsics=scene.intrinsics[0], source_frames=[0, 7])


def test_an_error_in_one_frame_stops_the_others():
    done = []

    def work(frame):
        if frame == 2:
            raise ValueError("frame 2")
        done.append(frame)

    with pytest.raises(ValueError, match="frame 2"):
        run_frames(work, 1000, workers=2)
    assert len(done) < 1000
