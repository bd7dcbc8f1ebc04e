"""Clips at the training size: the aspect stays, and the lens is cut with the picture."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ex4d.depth.files import ClipDepth
from ex4d.training.cropping import covering_size, cropped_frames, cropped_scene
from ex4d.video.reader import Clip

SIDES = st.integers(16, 4000)


@given(SIDES, SIDES, SIDES, SIDES)
def test_the_size_covers_with_one_side_equal_and_the_aspect_kept(native_w, native_h, w, h):
    width, height = covering_size((native_w, native_h), (w, h))
    assert width >= w
    assert height >= h
    assert width == w or height == h
    assert abs(width - height * native_w / native_h) <= 0.5 * max(1, native_w / native_h)


@pytest.mark.parametrize(("native", "covering"), [
    ((1920, 1080), (910, 512)), ((1080, 1920), (512, 910)), ((640, 480), (683, 512)),
    ((100, 100), (512, 512)),
])  # fmt: skip
def test_usual_sizes(native, covering):
    assert covering_size(native, (512, 512)) == covering


def test_a_point_keeps_its_ray_when_the_picture_is_cut():
    """A pixel's colour tells where it stood in the whole picture."""
    y, x = np.mgrid[:60, :100]
    frames = np.stack([x, y, 0 * x], axis=-1)[None].astype(np.uint8)
    clip = Clip(frames, Fraction(24), np.arange(1), 1, (100, 60), Path("a.mp4"))
    depth = (1 + x + 100 * y).astype(np.float32)[None]
    lens = np.array([[[70.0, 0, 48], [0, 72, 31], [0, 0, 1]]])
    scene = cropped_scene(cropped_frames(clip, (64, 48)), ClipDepth(depth, lens, "given"))
    assert scene.frames.shape == (1, 48, 64, 3)
    row, column = 11, 23
    whole_x, whole_y, _ = scene.frames[0, row, column].astype(int)
    assert (whole_x, whole_y) == (23 + 18, 11 + 6)
    assert scene.depth[0, row, column] == 1 + whole_x + 100 * whole_y
    cut = np.linalg.inv(scene.intrinsics[0]) @ [column + 0.5, row + 0.5, 1]
    whole = np.linalg.inv(lens[0]) @ [whole_x + 0.5, whole_y + 0.5, 1]
    np.testing.assert_allclose(cut, whole)
