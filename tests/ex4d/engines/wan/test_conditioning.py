"""The conditions as the model was trained on them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ex4d.conditions.render import Conditions
from ex4d.engines.wan.conditioning import model_size, prepare
from ex4d.engines.wan.encoding import color_values, first_frame_values, mask_values
from ex4d.engines.wan.erosion import erode_mask, erosion_px

from .conftest import make_conditions

CPU = torch.device("cpu")


def test_a_masks_rim_is_the_same_in_every_frame_and_in_any_order():
    mask = np.ones((6, 40, 60), bool)
    mask[:, 10:30, 20:40] = False
    eroded = erode_mask(mask, seed=3)
    assert (eroded == eroded[0]).all()  # what stands still does not flicker
    np.testing.assert_array_equal(erode_mask(mask[4:], seed=3), eroded[4:])
    rim = mask[0].sum() - eroded[0].sum()
    side = 20 + erosion_px(3) - 1
    assert rim == side * side - 20 * 20


def test_every_seed_erodes_by_2_to_8_pixels_as_in_training():
    assert {erosion_px(seed) for seed in range(200)} == set(range(2, 9))


def test_a_frame_that_is_seen_whole_stays_whole():
    assert erode_mask(np.ones((1, 20, 20), bool), seed=5).all()


def test_masks_are_minus_3_and_plus_1_and_unseen_colours_are_black():
    given = prepare(make_conditions(), seed=0)
    whole = slice(0, len(given.mask))
    masks = mask_values(given.mask)(whole, CPU).numpy()
    colors = color_values(given.color)(whole, CPU).numpy()
    assert masks.shape == colors.shape
    assert (masks == np.where(given.mask, 1, -3)[..., None]).all()
    assert (colors[~given.mask] == -1).all()
    assert colors.dtype == masks.dtype == np.float32
    assert -1 <= colors.min() < colors.max() <= 1


def test_the_first_frames_video_is_grey_after_it():
    picture = np.full((4, 6, 3), 255, np.uint8)
    read = first_frame_values(picture, first=8)
    assert read(slice(8, 9), CPU).eq(1).all()
    assert read(slice(9, 13), CPU).eq(0).all()


def test_missing_frames_and_edges_are_repeated():
    given = prepare(make_conditions(6, (50, 36)), seed=0)
    assert given.mask.shape == (9, 48, 64)
    assert (given.n_frames, given.size) == (6, (50, 36))
    np.testing.assert_array_equal(given.color[8], given.color[5])
    np.testing.assert_array_equal(given.color[:, :, 63], given.color[:, :, 49])


@pytest.mark.parametrize(
    ("size", "expected"),
    [((512, 512), (512, 512)), ((1920, 1080), (682, 384)), ((640, 480), (592, 444)),
     ((320, 180), (320, 180)), ((33, 47), (32, 48))],
)  # fmt: skip
def test_the_models_size_keeps_the_aspect_and_the_trained_number_of_pixels(size, expected):
    assert model_size(size) == expected
    assert model_size(size, (96, 80)) == (96, 80)


def test_the_first_frame_is_as_conditioned_and_those_of_later_windows_have_no_holes():
    given = prepare(make_conditions(), seed=0)
    np.testing.assert_array_equal(given.first_frame(0), given.color[0])
    later = given.first_frame(4)
    assert later[~given.mask[4]].max(axis=-1).min() > 30
    np.testing.assert_array_equal(later[given.mask[4]], given.color[4][given.mask[4]])


def test_conditions_shrink_without_a_dark_rim():
    mask = np.ones((1, 1024, 1024), bool)
    mask[:, 301:701, 301:701] = False
    color = np.where(mask[..., None], 200, 0).astype(np.uint8).repeat(3, axis=-1)
    given = prepare(Conditions(color, mask), seed=0)
    assert given.color.shape == (1, 512, 512, 3)
    assert (given.color[given.mask] == 200).all()
