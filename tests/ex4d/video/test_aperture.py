"""The clean aperture of an mp4 or mov: the part of its pictures that is meant to be seen."""

from __future__ import annotations

import struct
from fractions import Fraction

import numpy as np
import pytest

from ex4d.containers.quicktime import CleanAperture
from ex4d.video import probe, read_clip

from .mp4_boxes import add_to_entry, set_track_matrix


def add_aperture(path, numbers: tuple[int, ...]) -> None:
    """Put a clap box of eight numbers into the entry of the video's track."""
    add_to_entry(path, b"avc1", struct.pack(">I4sIIIIiIiI", 40, b"clap", *numbers))


def striped(width: int = 96) -> np.ndarray:
    """Each column has a level of its own."""
    frames = np.zeros((3, 48, width, 3), np.uint8)
    frames[:] = (2 * np.arange(width, dtype=np.uint8))[None, None, :, None]
    return frames


def whole(width: int, height: int, right: int = 0, down: int = 0) -> tuple[int, ...]:
    return (width, 1, height, 1, right, 1, down, 1)


@pytest.mark.parametrize(
    ("numbers", "left", "width"),
    [
        (whole(64, 48), 16, 64),
        (whole(64, 48, -16), 0, 64),
        (whole(64, 32, 16, 8), 32, 64),
        ((192, 3, 48, 1, 1, 2, 0, 1), 16, 64),
    ],
)
def test_a_clean_aperture_is_cut_out_and_that_is_said(make_video, numbers, left, width):
    path = make_video("clip.mov", striped())
    add_aperture(path, numbers)
    height = numbers[2]
    clip = read_clip(path, width=width, height=height)
    assert clip.native_size == probe(path).native_size == (width, height)
    expected = striped()[0, 0, left : left + width]
    assert np.abs(clip.frames[:, 10].astype(int) - expected).max() <= 2
    top = 16 if numbers[6] else 0
    said = (
        f"{path} shows a part of its pictures alone: {width}x{height} pixels from {left}, {top} on"
    )
    assert clip.notes == (said,)


@pytest.mark.parametrize(
    "numbers", [whole(96, 48), whole(128, 48), whole(64, 48, 40), whole(0, 48), (64, 0) * 4]
)
def test_an_aperture_that_is_none_changes_nothing(make_video, numbers):
    path = make_video("clip.mov", striped())
    add_aperture(path, numbers)
    clip = read_clip(path)
    assert clip.native_size == (96, 48)
    assert clip.notes == ()


def test_it_is_cut_before_the_picture_is_turned_and_made_square(make_video):
    path = make_video("clip.mov", striped(), sample_aspect_ratio=Fraction(1, 2))
    add_aperture(path, whole(64, 48))
    set_track_matrix(path, (0, 1, -1, 0))
    clip = read_clip(path)
    assert clip.native_size == (48, 32)
    assert abs(int(clip.frames[0, 0, 5, 0]) - 2 * 16) <= 4
    assert abs(int(clip.frames[0, -1, 5, 0]) - 2 * 79) <= 4


def test_half_a_pixel_is_rounded():
    half = CleanAperture(Fraction(63), Fraction(48), Fraction(1, 2), Fraction(0))
    assert half.within((96, 48)) == (17, 0, 63, 48)
