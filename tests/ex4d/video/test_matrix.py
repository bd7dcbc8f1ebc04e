"""Every usual mixture of container, codec, size, rate, matrix, range, siting, rotation and pixel
aspect that the local FFmpeg writes: frames, times, colours and places against known pixels, and
against what the program ffmpeg decodes, where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from ex4d.video.opening import open_video
from ex4d.video.reader import FrameRange, read_clip, read_whole
from ex4d.video.timing import PacketTally

from .edges import crossing
from .ffmpeg_program import find_ffmpeg
from .mp4_boxes import set_track_matrix
from .variety import KINDS, N_FRAMES, expected_of, frames_of, tags_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

_TURNED = ((1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0))
_ZSCALES = {"bt601": "smpte170m", "bt2020": "bt2020nc"}  # what zscale calls otherwise
# What containers round times to, seconds: Matroska and FLV to 1 ms, transport streams to 1/90000.
_ROUNDED_S = {"mkv": 5e-4, "webm": 5e-4, "flv": 5e-4}
_VARIABLE = {  # times in 1/600 s
    "pause": [0, 25, 50, 75, 325, 350, 375],
    "pulldown": [0, 20, 50, 70, 100, 120, 150],
    "slowing": [0, 25, 50, 100, 150, 200, 300],
}


@pytest.fixture(scope="module")
def ffmpeg():
    found = find_ffmpeg()
    if found is None:
        pytest.skip("there is no ffmpeg here, and no imageio-ffmpeg of pip's")
    return found


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


def stretch_of(kind) -> float:
    return round(kind.size[0] * kind.aspect) / kind.size[0]


def looked_at(kind, frame: np.ndarray, number: int, stretch: float) -> np.ndarray:
    """Colours [3, 3] of the patches and the grey in an upright picture."""
    _, places = expected_of(kind, number)
    stored = np.rot90(frame, kind.turn)  # counterclockwise: as stored again
    return stored[3 * kind.size[1] // 4, (places * stretch).astype(int)].astype(float)


def edge_of(kind, stored: np.ndarray, stretch: float) -> float:
    """x of the edge in a picture as stored, in stored pixels."""
    return crossing(stored[2 : kind.size[1] // 2 - 4], 1) / stretch


def most_px(kind, codec_most: float) -> float:
    return codec_most + (0.025 if kind.aspect != 1 else 0)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_any_usual_file_is_read_as_it_is_meant(make_video, kind):
    path = write(make_video, kind)
    clip = read_whole(path)
    size = (round(kind.size[0] * kind.aspect), kind.size[1])
    stretch = stretch_of(kind)
    assert clip.native_size == (size[::-1] if kind.turn % 2 else size)
    assert (len(clip.frames), clip.n_file_frames, clip.fps) == (N_FRAMES, N_FRAMES, kind.rate)
    assert clip.notes == ()
    assert read_clip(path, FrameRange(1, 1, 3)).n_file_frames == N_FRAMES
    known = [number / float(kind.rate) for number in range(N_FRAMES)]
    assert times_of(path) == pytest.approx(known, abs=rounded_s(path))
    for number, frame in enumerate(clip.frames):
        colors, _ = expected_of(kind, number)
        shown = looked_at(kind, frame, number, stretch)
        assert np.abs(shown - colors).max() <= kind.codec.most + 0.5  # of rounding
        edge = edge_of(kind, np.rot90(frame, kind.turn), stretch)
        assert abs(edge - 0.45 * kind.size[0]) <= most_px(kind, kind.codec.most_px)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_program_ffmpeg_decodes_the_same(make_video, ffmpeg, kind):
    path = write(make_video, kind)
    clip = read_whole(path)
    stretch = stretch_of(kind)
    assert ffmpeg.times(path) == pytest.approx(times_of(path), abs=1e-9)
    # The program's ProRes decoder drops what the container says of the matrix.
    matrix = kind.matrix if kind.codec.name == "prores_ks" else None
    size = kind.size[::-1] if kind.turn % 2 else kind.size
    theirs = ffmpeg.pictures(path, size, matrix)
    assert len(theirs) == len(clip.frames)
    for number, (ours, frame) in enumerate(zip(clip.frames, theirs, strict=True)):
        shown = looked_at(kind, ours, number, stretch)
        assert np.abs(shown - looked_at(kind, frame, number, 1)).max() <= 1


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_chroma_lies_where_the_program_ffmpeg_has_it(make_video, ffmpeg, kind):
    if not ffmpeg.has_zscale:
        pytest.skip("this ffmpeg has no zscale, and its own scaler has all chroma in the middle")
    if "444" not in kind.pixel_format and (kind.size[0] % 2 or kind.size[1] % 2):
        pytest.skip("zscale refuses odd sizes")
    if kind.is_full and kind.site is None and kind.siting == "center":
        pytest.skip("the file does not say: mpv's rule is taken, ffmpeg has another")
    path = write(make_video, kind)
    matrix = kind.coding["matrix"]
    theirs = ffmpeg.sited(path, kind.size, _ZSCALES.get(matrix, matrix))
    for ours, frame in zip(read_whole(path).frames, theirs, strict=True):
        edge = edge_of(kind, np.rot90(ours, kind.turn), stretch_of(kind))
        assert abs(edge - edge_of(kind, frame, 1)) <= most_px(kind, 0.05)


def times_of(path: Path) -> list[float]:
    """When the frames of a file are shown, seconds from the first one on, as the reader counts."""
    times = PacketTally.of(path).times
    with open_video(path) as (_, stream):
        return [float(time * stream.time_base) for time in times - times[0]]


def rounded_s(path: Path) -> float:
    return _ROUNDED_S.get(path.suffix[1:], 1 / 90000)


@pytest.mark.parametrize("name", ["mp4", "mov", "mkv", "ts", "m2ts", "flv", "nut", "webm"])
@pytest.mark.parametrize("kind", _VARIABLE)
def test_frames_of_unequal_length_have_their_times(make_video, numbered, name, kind):
    times = _VARIABLE[kind]
    codec = ("libvpx-vp9", "yuv420p") if name == "webm" else ("libx264", "yuv444p")
    path = make_video(f"clip.{name}", numbered(len(times)), *codec, times=times, rate=24)
    known = [time / 600 for time in times]
    assert times_of(path) == pytest.approx(known, abs=rounded_s(path))
    clip = read_whole(path)
    assert [round(float(frame.mean()) / 2) for frame in clip.frames] == list(range(len(times)))
    length = len(times) / float(clip.fps)
    assert known[-1] + 20 / 600 - 2e-3 <= length <= known[-1] + 100 / 600 + 2e-3
    program = find_ffmpeg()
    if program is not None:
        assert program.times(path) == pytest.approx(known, abs=rounded_s(path) + 1e-9)
