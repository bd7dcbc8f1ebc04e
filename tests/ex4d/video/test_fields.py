"""Interlaced clips: recognised, said, and deinterlaced when that is asked."""

from __future__ import annotations

import struct

import av
import numpy as np
import pytest

from ex4d.video import read_clip
from ex4d.video.clip import VideoReading
from ex4d.video.conversion import linked
from ex4d.video.reader import FrameRange

from .mp4_boxes import add_to_entry

N_FRAMES, SPEED = 8, 6  # pixels from one field to the next


def moment(number: int) -> np.ndarray:
    """A grey bar that moves over a still ramp; one picture for each field."""
    picture = np.zeros((48, 128, 3), np.uint8)
    picture[:] = np.linspace(40, 120, 48).astype(np.uint8)[:, None, None]
    picture[8:40, 10 + SPEED * number :][:, :16] = 200
    return picture


def woven(*, top_first: bool) -> np.ndarray:
    frames = []
    for number in range(N_FRAMES):
        frame, second = moment(2 * number), moment(2 * number + 1)
        later = slice(1, None, 2) if top_first else slice(0, None, 2)
        frame[later] = second[later]
        frames.append(frame)
    return np.stack(frames)


def interlaced(make_video, *, top_first: bool = True):
    mark = "tff" if top_first else "bff"
    frames = [av.VideoFrame.from_ndarray(frame) for frame in woven(top_first=top_first)]
    graph = linked(frames[0], "gbr", True, ("setfield", mark), ("format", "yuv444p"))
    marked = []
    for frame in frames:
        graph.vpush(frame)
        marked.append(graph.vpull())
        marked[-1].pts = None
    options = {"qp": "0", "flags": "+ildct+ilme"}
    times = [24 * number for number in range(len(marked))]
    return make_video("clip.mp4", marked, options=options, rate=25, times=times)


def combing(frames: np.ndarray) -> float:
    """How much lines differ from both neighbours, levels."""
    lines = frames[..., 0].astype(float)
    return float(np.abs(2 * lines[:, 1:-1] - lines[:, :-2] - lines[:, 2:])[:, 12:34].mean())


def test_interlaced_frames_are_kept_and_that_is_said(make_video):
    path = interlaced(make_video)
    clip = read_clip(path)
    assert combing(clip.frames) > 10
    assert clip.notes == (
        f"{path} is interlaced: its frames hold two moments in alternate lines, which are kept; "
        "deinterlace makes one of them",
    )


@pytest.mark.parametrize("top_first", [True, False])
def test_deinterlaced_frames_show_the_moment_of_their_first_field(make_video, top_first):
    path = interlaced(make_video, top_first=top_first)
    clip = read_clip(path, reading=VideoReading(deinterlace=True))
    truth = np.stack([moment(2 * number) for number in range(N_FRAMES)])
    assert clip.frames.shape == truth.shape
    assert clip.indices.tolist() == list(range(N_FRAMES))
    assert combing(clip.frames) < 2
    inner = (clip.frames[1:-1, 10:38].astype(int) - truth[1:-1, 10:38]).astype(float)
    assert np.abs(inner).mean() < 1
    assert clip.notes == (
        f"{path} is interlaced: it is deinterlaced, a frame for each pair of fields",
    )


@pytest.mark.parametrize("top_first", [True, False])
def test_what_the_container_alone_says_counts(make_video, top_first):
    """As of v210 and its like: the mov has a fiel box, the frames have no mark."""
    path = make_video("clip.mov", woven(top_first=top_first), "png", "rgb24", rate=25)
    fields = bytes((2, 1 if top_first else 6))
    add_to_entry(path, b"png ", struct.pack(">I4s", 10, b"fiel") + fields)
    assert read_clip(path).notes[0].startswith(f"{path} is interlaced")
    clip = read_clip(path, reading=VideoReading(deinterlace=True))
    truth = np.stack([moment(2 * number) for number in range(N_FRAMES)])
    inner = (clip.frames[1:-1, 10:38].astype(int) - truth[1:-1, 10:38]).astype(float)
    assert np.abs(inner).mean() < 1


def test_chosen_frames_are_deinterlaced_with_their_neighbours(make_video):
    path = interlaced(make_video)
    whole = read_clip(path, reading=VideoReading(deinterlace=True))
    part = read_clip(path, FrameRange(2, 2, 2), reading=VideoReading(deinterlace=True))
    assert np.array_equal(part.frames, whole.frames[[2, 4]])
    assert part.n_file_frames == N_FRAMES


def test_progressive_clips_are_not_called_interlaced(make_video):
    clip = read_clip(make_video())
    assert clip.notes == ()


def test_a_clip_without_marks_is_deinterlaced_when_that_is_asked(make_video):
    path = make_video("clip.mp4", woven(top_first=True), rate=25)
    clip = read_clip(path, reading=VideoReading(deinterlace=True))
    assert combing(clip.frames) < 2
    assert clip.notes == (f"{path} is deinterlaced, though it is not marked as interlaced",)
