"""Every usual mixture of container, codec, size, rate, matrix, range, siting, rotation and pixel
aspect that the local FFmpeg writes: frames, times, colours and places against known pixels."""

from __future__ import annotations

import av
import numpy as np
import pytest

from ex4d.video.reader import FrameRange, read_clip, read_whole

from .edges import crossing
from .mp4_boxes import set_track_matrix
from .variety import KINDS, N_FRAMES, expected_of, frames_of, tags_of

_TURNED = ((1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0))


def write(make_video, kind):
    codec = kind.codec
    if codec.name not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec.name}")
    options = dict(codec.options)
    if kind.site is not None:
        options["chroma_sample_location"] = kind.site
    properties = tags_of(kind)
    if kind.aspect != 1:
        properties["sample_aspect_ratio"] = kind.aspect
    path = make_video(
        f"clip.{codec.container}",
        frames_of(kind),
        codec.name,
        kind.pixel_format,
        rate=kind.rate,
        options=options,
        **properties,
    )
    if kind.turn:
        set_track_matrix(path, _TURNED[kind.turn])
    return path


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_any_usual_file_is_read_as_it_is_meant(make_video, kind):
    path = write(make_video, kind)
    clip = read_whole(path)
    width, height = kind.size
    size = (round(width * kind.aspect), height)
    stretch = size[0] / width
    assert clip.native_size == (size[::-1] if kind.turn % 2 else size)
    assert (len(clip.frames), clip.n_file_frames, clip.fps) == (N_FRAMES, N_FRAMES, kind.rate)
    assert clip.notes == ()
    assert read_clip(path, FrameRange(1, 1, 3)).n_file_frames == N_FRAMES
    for number, frame in enumerate(clip.frames):
        upright = np.rot90(frame, kind.turn)  # counterclockwise: as stored again
        colors, places = expected_of(kind, number)
        columns = (places * stretch).astype(int)
        shown = upright[3 * height // 4, columns].astype(float)
        assert np.abs(shown - colors).max() <= kind.codec.most + 0.5  # of rounding
        edge = crossing(upright[2 : height // 2 - 4], 1) / stretch
        most_px = kind.codec.most_px + (0.025 if stretch > 1 else 0)
        assert abs(edge - 0.45 * width) <= most_px
