"""The source's own pixels over what was generated."""

from __future__ import annotations

import numpy as np
import pytest

from ex4d.camera.files import read_trajectory
from ex4d.cli.demo import shot_folder
from ex4d.conditions.render import Conditions, render_conditions
from ex4d.conditions.resize import resize_conditions
from ex4d.conditions.scene import Scene
from ex4d.depth.files import read_depth
from ex4d.engines.wan.keep_source import keep_source, soft_matte
from ex4d.raster.cpu import CpuRasterizer
from ex4d.video.reader import read_clip
from ex4d.video.writer import read_color

SHOT = shot_folder()


@pytest.fixture(scope="module")
def shot():
    """The sample shot's conditions, and what the camera truly sees, every fourth frame."""
    clip = read_clip(SHOT / "input.mp4")
    given = read_depth(SHOT / "depth.npz", clip)
    scene = Scene(clip.frames, given.depth, given.intrinsics)
    whole = render_conditions(scene, read_trajectory(SHOT / "camera.npz", clip), CpuRasterizer())
    truth = read_color(SHOT / "truth.mp4")[0]
    return Conditions(whole.color[::4], whole.mask[::4]), truth[::4]


@pytest.fixture(scope="module")
def generated(shot):
    """What a model might make of it: the true picture at half the size, paler and reddish."""
    _, truth = shot
    seen = np.ones(truth.shape[:3], bool)
    small = resize_conditions(Conditions(truth, seen), (truth.shape[2] // 2, truth.shape[1] // 2))
    return np.clip(0.8 * small.color + [50, 30, 20], 0, 255).astype(np.uint8)


def mean_error(frames, truth, where):
    return np.abs(frames[where].astype(float) - truth[where]).mean()


def test_the_source_is_kept_exactly_where_it_is_solid(shot, generated):
    conditions, _ = shot
    result = keep_source(conditions, generated)
    assert result.shape == conditions.color.shape
    solid = np.stack([soft_matte(mask) for mask in conditions.mask]) == 1
    assert solid.mean() > 0.3
    np.testing.assert_array_equal(result[solid], conditions.color[solid])


def test_what_is_generated_takes_the_colours_of_the_source(shot, generated):
    conditions, truth = shot
    holes = ~conditions.mask
    result = keep_source(conditions, generated)
    large = keep_source(Conditions(conditions.color, np.zeros_like(conditions.mask)), generated)
    before, after = mean_error(large, truth, holes), mean_error(result, truth, holes)
    print(f"\nmean error in the holes: {before:.1f} as generated, {after:.1f} matched, of 255")
    assert after < 0.35 * before


def test_a_matte_is_soft_at_holes_nothing_in_them_and_whole_at_the_frames_edge():
    mask = np.ones((128, 160), bool)
    mask[40:90, 60:100] = False
    mask[100, 20] = False
    matte = soft_matte(mask)
    assert (matte[~mask] == 0).all()
    assert (matte[0] == 1).all()
    assert (matte[:, -1] == 1).all()
    assert np.abs(np.diff(matte, axis=0)).max() < 0.7
    assert ((matte > 0) & (matte < 1)).any()
    speck = np.zeros((256, 256), bool)
    speck[100, 100] = True
    assert soft_matte(speck).max() == 0


def test_a_clip_that_sees_nothing_for_a_while_has_colours_all_the_time():
    color = np.full((12, 48, 64, 3), 120, np.uint8)
    color[..., :32, :] = 90
    mask = np.ones((12, 48, 64), bool)
    mask[5:8] = False
    color[~mask] = 0
    generated = np.clip(np.where(np.arange(64)[:, None] < 32, 90, 120) + 20, 0, 255)
    generated = np.broadcast_to(generated, (12, 48, 64, 3)).astype(np.uint8)
    result = keep_source(Conditions(color, mask), generated)
    assert np.abs(np.diff(result.astype(int), axis=0)).max() <= 3


def test_the_engine_gives_the_plates_size_with_the_source_in_it(generate):
    from .conftest import make_conditions

    conditions = make_conditions(5, (96, 64), np.s_[:, 20:40, 30:60])
    plain = generate(conditions, size=(48, 32))
    kept = generate(conditions, size=(48, 32), keep_source=True)
    assert plain.shape == (5, 32, 48, 3)
    assert kept.shape == (5, 64, 96, 3)
    solid = np.stack([soft_matte(mask) for mask in conditions.mask]) == 1
    np.testing.assert_array_equal(kept[solid], conditions.color[solid])
