"""The quality filter: each reason fires, and does not where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from ex4d.training.quality import QualityLimits, depth_fault, picture_fault

from .scenes import moving_clip, texture

CLIP = moving_clip(17, (96, 64))
DEPTH = CLIP.depth


def noisy(values: np.ndarray, scale: float, shape: tuple[int, ...]) -> np.ndarray:
    random = np.random.default_rng(0)
    return (values * np.exp(random.normal(0, scale, shape))).astype(np.float32)


def test_an_ordinary_clip_has_no_fault():
    assert picture_fault(CLIP.frames) is None
    assert depth_fault(DEPTH, 0.1) is None


@pytest.mark.parametrize("frame", [1, 8, 16])
def test_a_cut_is_found_where_it_is(frame):
    frames = CLIP.frames.copy()
    frames[frame:] = moving_clip(17, (96, 64), seed=9).frames[frame:]
    fault = picture_fault(frames)
    assert f"there is a cut between its frames {frame - 1} and {frame}: the picture" in fault


def test_a_pan_however_fast_is_no_cut():
    for step in (3, 8, 20):
        assert picture_fault(moving_clip(17, (96, 64), wall_step=(step, 0)).frames) is None


def test_a_flash_is_no_cut():
    frames = CLIP.frames.copy()
    frames[8] = np.minimum(frames[8].astype(int) + 90, 255)
    assert picture_fault(frames) is None


def test_a_repeated_frame_is_no_cut():
    """As where 24 frames a second were made 30."""
    frames = moving_clip(17, (96, 64), wall_step=(6, 0)).frames.copy()
    frames[4::5] = frames[3::5][: len(frames[4::5])]
    assert picture_fault(frames) is None


def test_a_fade_is_no_cut():
    """A dissolve is not found either; it is not one moment."""
    frames = CLIP.frames * np.linspace(1, 0.2, 17)[:, None, None, None]
    assert picture_fault(frames.astype(np.uint8)) is None


def test_a_still_picture_is_found_through_its_noise():
    noise = np.random.default_rng(0).normal(0, 4, (17, 256, 384, 3))
    frames = np.clip(texture(256, 384) + noise, 0, 255).astype(np.uint8)
    assert "nothing moves in it" in picture_fault(frames)


def test_one_thing_that_moves_is_enough():
    clip = moving_clip(17, (96, 64), wall_step=(0, 0), box_step=(1, 0))
    assert picture_fault(clip.frames) is None


@pytest.mark.parametrize(("share", "fires"), [(0.0, False), (0.29, False), (0.31, True)])
def test_depth_that_is_mostly_unknown_is_found(share, fires):
    fault = depth_fault(DEPTH, share)
    assert (fault is not None) == fires
    assert not fires or fault == "its depth is unknown in 31% of the pixels"


@pytest.mark.parametrize(("relief", "fires"), [(1.0, True), (1.04, True), (1.1, False)])
def test_flat_depth_is_found(relief, fires):
    depth = np.where(CLIP.is_box, np.float32(3), np.float32(3 * relief))
    depth[:, 0, 0] = 0.01  # a stray pixel is no relief
    assert ("is flat" in (depth_fault(depth, 0) or "")) == fires


@pytest.mark.parametrize(("jitter", "fires"), [(0.005, False), (0.05, True)])
@pytest.mark.parametrize("shape", [(17, 1, 1), (17, 64, 96)])
def test_flickering_depth_is_found(jitter, fires, shape):
    """The whole frame's scale that jumps, or every pixel's."""
    fault = depth_fault(noisy(DEPTH, jitter, shape), 0)
    assert ("flickers" in (fault or "")) == fires


def test_depth_that_changes_steadily_does_not_flicker():
    """A camera that goes straight ahead, to a quarter of the distance."""
    depth = DEPTH * np.linspace(1, 0.25, 17, dtype=np.float32)[:, None, None]
    assert depth_fault(depth, 0) is None


def test_limits_can_be_moved():
    strict = QualityLimits(least_change_levels=200, most_unknown_share=0.01)
    assert "nothing moves" in picture_fault(CLIP.frames, strict)
    assert "unknown in 10%" in depth_fault(DEPTH, 0.1, strict)
