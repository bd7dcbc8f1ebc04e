"""Whether other programs show the pictures that were read: Blender's mesh wears a copy if not."""

from __future__ import annotations

from fractions import Fraction

import pytest

from ex4d.video.clip import FrameRange, VideoReading
from ex4d.video.reader import read_clip

from .mp4_boxes import set_track_matrix
from .test_aperture import add_aperture, striped, whole
from .test_fields import interlaced
from .test_tone import hdr_clip


def test_a_usual_clip_is_shown_as_it_is_stored(make_video):
    assert read_clip(make_video()).is_as_stored
    assert read_clip(make_video(), FrameRange(1, 2, 3)).is_as_stored


def test_what_every_program_does_to_a_picture_changes_nothing(make_video):
    assert read_clip(make_video(sample_aspect_ratio=Fraction(1, 2))).is_as_stored


@pytest.mark.parametrize("matrix", [(0, 1, -1, 0), (-1, 0, 0, -1), (-1, 0, 0, 1)])
def test_not_every_program_turns_a_picture(make_video, matrix):
    """Blender 4.2 shows it as it lies in the file."""
    path = make_video()
    set_track_matrix(path, matrix)
    assert not read_clip(path).is_as_stored


def test_a_clean_aperture_is_for_those_who_know_it(make_video):
    path = make_video("clip.mov", striped())
    add_aperture(path, whole(64, 48))
    assert not read_clip(path).is_as_stored


@pytest.mark.parametrize("hdr", ["tonemap", "keep"])
def test_hdr_is_shown_in_as_many_ways_as_there_are_programs(make_video, hdr):
    _, path = hdr_clip(make_video, "HLG")
    assert not read_clip(path, reading=VideoReading(hdr=hdr)).is_as_stored


def test_fields_are_as_stored_until_they_are_deinterlaced(make_video):
    path = interlaced(make_video)
    assert read_clip(path).is_as_stored
    assert not read_clip(path, reading=VideoReading(deinterlace=True)).is_as_stored


def test_frames_of_unequal_length_are_shown_at_other_times(make_video, numbered):
    path = make_video(frames=numbered(5), times=[0, 25, 50, 300, 325], rate=24)
    assert not read_clip(path).is_as_stored


@pytest.mark.parametrize(
    ("times", "is_as_stored"),
    [
        ([0, 25, 50, 75, 100], True),
        ([0, 25, 49, 75, 100], True),  # a little early: it is there when it is asked for
        ([0, 25, 51, 75, 100], False),  # a little late: who asks in time gets the frame before
        ([0, 25, 50, 100, 125], False),
    ],
)
def test_a_frame_that_comes_late_is_not_shown_where_it_is_counted(
    make_video, numbered, times, is_as_stored
):
    path = make_video(frames=numbered(5), times=times, rate=24)
    assert read_clip(path).is_as_stored == is_as_stored
