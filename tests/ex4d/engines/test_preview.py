"""The preview engine and the backdrop that it fills from."""

import numpy as np
import pytest

from ex4d.camera.presets import preset_path
from ex4d.camera.trajectory import Trajectory
from ex4d.conditions.render import Conditions, render_conditions
from ex4d.conditions.scene import Scene
from ex4d.engines.choose import choose_engine
from ex4d.engines.preview import PreviewEngine
from ex4d.errors import InputError, MissingPartError, UsageError
from ex4d.raster.cpu import CpuRasterizer


def wall_and_square(n_frames, step, width=96, height=64):
    """A red square moves before a wall whose colour runs from left to right."""
    ramp = np.linspace(60, 200, width)[None, :, None]
    wall = np.broadcast_to(ramp, (height, width, 3)) * [0.2, 1.0, 0.8] + [10, 0, 0]
    frames = np.repeat(wall[None].astype(np.uint8), n_frames, axis=0)
    depth = np.full((n_frames, height, width), 4.0, np.float32)
    for t in range(n_frames):
        region = (t, slice(20, 44), slice(12 + step * t, 32 + step * t))
        frames[region] = (220, 20, 20)
        depth[region] = 2.0
    intrinsics = np.array([[1.1 * width, 0, width / 2], [0, 1.1 * width, height / 2], [0, 0, 1.0]])
    return Scene(frames, depth, np.broadcast_to(intrinsics, (n_frames, 3, 3)))


def conditions_of(scene, camera="25"):
    n_frames, height, width = scene.depth.shape
    path = Trajectory(preset_path(camera, n_frames, 2.1), scene.intrinsics, (width, height))
    return render_conditions(scene, path, CpuRasterizer(), with_backdrop=True)


def truth_of(scene, camera="25"):
    """What the camera would see of the wall alone, the square taken away."""
    empty = Scene(
        np.repeat(wall_and_square(1, 0).frames, len(scene.frames), axis=0),
        np.full_like(scene.depth, 4.0),
        scene.intrinsics,
    )
    empty.frames[:, 20:44, 12:32] = empty.frames[:, 19:20, 12:32]
    return conditions_of(empty, camera)


def reddish(colors):
    colors = colors.astype(int)
    return colors[..., 0] > colors[..., 1] + 60


def test_what_the_mask_shows_stays_as_it_is_and_nothing_stays_black():
    conditions = conditions_of(wall_and_square(6, 5))
    frames = PreviewEngine().generate(conditions)
    np.testing.assert_array_equal(frames[conditions.mask], conditions.color[conditions.mask])
    assert (frames.max(axis=-1) > 30).all()


def test_a_place_that_another_frame_saw_shows_what_stands_there():
    scene = wall_and_square(9, 6)
    conditions, truth = conditions_of(scene), truth_of(scene)
    behind = ~conditions.mask & truth.mask
    behind[:, :, 80:] = False
    frames = PreviewEngine().generate(conditions)
    error = np.abs(frames[behind].astype(int) - truth.color[behind]).max(axis=-1)
    assert behind.sum() > 500
    assert np.percentile(error, 90) <= 6


def test_a_hole_that_nobody_saw_is_filled_from_the_background_side():
    scene = wall_and_square(5, 0)  # nothing moves: no other frame saw behind the square
    conditions, truth = conditions_of(scene), truth_of(scene)
    behind = ~conditions.mask & truth.mask
    filled = PreviewEngine().generate(conditions)[behind]
    assert behind.sum() > 200
    assert reddish(filled).mean() < 0.01
    assert np.abs(filled.astype(int) - truth.color[behind]).mean() < 25


def test_a_thing_that_stood_there_at_another_time_is_not_drawn_into_free_space():
    scene = wall_and_square(9, 6)
    conditions = conditions_of(scene)
    filled = PreviewEngine().generate(conditions)[~conditions.mask]
    assert reddish(filled).mean() < 0.02


def test_fills_are_steady_over_time():
    """Holes of a still scene filled smoothly change less from frame to frame than the picture."""
    random = np.random.default_rng(0)
    color = np.full((12, 64, 80, 3), 120, np.uint8) + random.integers(
        -3, 4, (12, 64, 80, 3)
    ).astype(np.uint8)
    mask = np.ones((12, 64, 80), bool)
    mask[:, 16:48, 20:60] = False
    color[~mask] = 0
    frames = PreviewEngine().generate(Conditions(color, mask)).astype(int)
    flicker_in = np.abs(np.diff(frames[:, 20:44, 24:56], axis=0)).mean()
    flicker_out = np.abs(np.diff(frames[:, :12], axis=0)).mean()
    assert flicker_in < 0.5 * flicker_out


def test_without_a_backdrop_holes_are_filled_smoothly():
    color = np.zeros((2, 50, 70, 3), np.uint8)
    color[:, :, :30], color[:, :, 40:] = (200, 100, 50), (100, 100, 150)
    mask = np.ones((2, 50, 70), bool)
    mask[:, :, 30:40] = False
    row = PreviewEngine().generate(Conditions(color, mask))[0, 25].astype(int)
    assert (np.diff(row[29:41, 0]) <= 1).all()  # from 200 down to 100
    assert abs(row[35, 0] - 150) < 30
    np.testing.assert_allclose(row[30:40, 1], 100, atol=1)


@pytest.mark.parametrize("shape", [(1, 5, 7), (3, 17, 16), (2, 33, 129)])
def test_any_size_and_a_frame_without_anything_seen_are_filled(shape):
    color = np.full((*shape, 3), 90, np.uint8)
    mask = np.ones(shape, bool)
    mask[-1] = shape[0] == 1
    mask[0, 2:, 3:] = False
    color[~mask] = 0
    frames = PreviewEngine().generate(Conditions(color, mask))
    np.testing.assert_allclose(frames, 90, atol=1)


def test_the_same_conditions_give_the_same_bytes_whatever_the_seed():
    conditions = conditions_of(wall_and_square(4, 5))
    first, second = (PreviewEngine().generate(conditions, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(first, second)


def test_a_mask_that_shows_nothing_is_refused():
    nothing = Conditions(np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 8, 8), bool))
    with pytest.raises(InputError, match="shows nothing"):
        PreviewEngine().generate(nothing)


def test_engines_are_chosen_by_name_and_say_why():
    engine, reason = choose_engine("auto")
    assert engine.name == "preview"
    assert "diffusion" in reason
    with pytest.raises(MissingPartError, match="wan"):
        choose_engine("wan")
    with pytest.raises(UsageError, match="preview"):
        choose_engine("magic")
