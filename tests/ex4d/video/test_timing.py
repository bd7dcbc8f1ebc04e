"""Counts and rates of files that begin, pause or are joined as the world makes them."""

from __future__ import annotations

import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from ex4d.errors import UsageError
from ex4d.video import FrameRange, read_clip, read_color, write_video
from ex4d.video.alignment import entries_for
from ex4d.video.encoder import check_rate


def numbers(clip) -> list[int]:
    """Which of the frames of `numbered` a clip shows."""
    return [round(float(frame.mean()) / 2) for frame in clip.frames]


def transport_stream(make_video, numbered, n_frames: int = 60) -> bytes:
    options = {"qp": "0", "g": "24", "keyint_min": "24", "sc_threshold": "0", "bf": "2"}
    return make_video("whole.ts", numbered(n_frames), rate=24, options=options).read_bytes()


def cut_behind_key_frame(data: bytes) -> bytes:
    """The stream from the packets of its second picture on, with its tables."""
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    starts = [
        number
        for number, packet in enumerate(packets)
        if packet[1] & 0x40 and (packet[1] & 31, packet[2]) == (1, 0)
    ]
    return b"".join(packets[: starts[0]] + packets[starts[1] :])


def test_a_stream_cut_between_key_frames_has_the_frames_that_can_be_decoded(
    make_video, numbered, tmp_path
):
    path = tmp_path / "cut.ts"
    path.write_bytes(cut_behind_key_frame(transport_stream(make_video, numbered)))
    clip = read_clip(path, FrameRange(num_frames=10))
    assert numbers(clip) == list(range(24, 34))
    assert (clip.n_file_frames, clip.fps) == (36, 24)
    assert clip.notes == (
        f"{path} begins between two key frames: its first 23 pictures cannot be decoded, frame 0 "
        "is the first that can",
    )
    assert entries_for(clip, 36).tolist() == list(range(10))
    assert len(read_clip(path, FrameRange(num_frames=None)).frames) == 36


@pytest.mark.parametrize("num_frames", [10, None])
def test_joined_streams_have_the_frames_of_both(make_video, numbered, tmp_path, num_frames):
    data = transport_stream(make_video, numbered)
    path = tmp_path / "joined.ts"
    path.write_bytes(data + data)
    clip = read_clip(path, FrameRange(num_frames=num_frames))
    assert np.abs(np.subtract(numbers(clip), [*range(60), *range(60)][:num_frames])).max() <= 1
    assert (clip.n_file_frames, clip.fps) == (120, 24)
    assert clip.notes[0] == (
        f"{path} is joined of parts with clocks of their own: 24 frames a second are taken"
    )


def test_what_ffmpeg_decodes_behind_a_bad_join_is_kept(make_video, numbered, tmp_path):
    data = transport_stream(make_video, numbered)
    path = tmp_path / "joined.ts"
    path.write_bytes(data + cut_behind_key_frame(data))
    with av.open(str(path)) as container:
        n_frames = sum(1 for _ in container.decode(video=0))
    assert read_clip(path, FrameRange(num_frames=10)).n_file_frames == n_frames > 60
    clip = read_clip(path, FrameRange(num_frames=None))
    assert len(clip.frames) == n_frames
    assert clip.notes[1].startswith(f"{path} lacks a part of 1 picture")


def test_frames_that_an_avi_repeats_are_taken_once_at_the_average_rate(make_video, numbered):
    """Five entries of its index are empty: the frame before is shown again."""
    path = make_video("clip.avi", numbered(12), "mjpeg", "yuvj420p", [], rate=24)
    path.write_bytes(with_empty_frames(path.read_bytes(), before=6, count=6))
    clip = read_clip(path)
    assert (len(clip.frames), clip.n_file_frames, clip.fps) == (12, 12, 16)
    steps = [0, 1, 2, 3, 4, 5, 12, 13, 14, 15, 16, 17]
    assert entries_for(clip, 18).tolist() == steps  # as FFmpeg extracts it at 24 a second
    assert entries_for(clip, 12).tolist() == list(range(12))
    assert entries_for(clip, 17) is None
    assert numbers(clip) == list(range(12))
    assert clip.notes == (
        f"{path} has frames of unequal length; each is taken once, one after the other: "
        "16 frames a second are taken, the average",
    )


def with_empty_frames(data: bytes, *, before: int, count: int) -> bytes:
    """An AVI with `count` empty chunks before its picture `before`, in its movie and its index."""
    empty = b"00dc" + struct.pack("<I", 0)
    movie = data.index(b"movi")
    places = [movie + 4]
    for _ in range(before):
        (size,) = struct.unpack("<I", data[places[-1] + 4 : places[-1] + 8])
        places.append(places[-1] + 8 + size + size % 2)
    place = places[-1]
    old = data.index(b"idx1")
    (size,) = struct.unpack("<I", data[movie - 4 : movie])
    grown = data[: movie - 4] + struct.pack("<I", size + 8 * count) + data[movie:place]
    (index_size,) = struct.unpack("<I", data[old + 4 : old + 8])
    entries = [data[old + 8 + at : old + 24 + at] for at in range(0, index_size, 16)]
    moved = [
        entry[:8] + struct.pack("<I", struct.unpack("<I", entry[8:12])[0] + 8 * count) + entry[12:]
        for entry in entries[before:]
    ]
    added = [
        b"00dc" + struct.pack("<III", 0, place - movie + 8 * number, 0) for number in range(count)
    ]
    index = b"".join(entries[:before] + added + moved)
    body = grown + empty * count + data[place:old] + b"idx1" + struct.pack("<I", len(index)) + index
    return body[:4] + struct.pack("<I", len(body) - 8) + body[8:]


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_a_pause_is_said_and_the_rate_is_the_average(make_video, numbered, name):
    times = [0, 25, 50, 75, 325, 350, 375, 400]  # 24 a second, and a pause of ten frames
    clip = read_clip(make_video(name, numbered(8), times=times, rate=24))
    assert numbers(clip) == list(range(8))
    assert float(clip.fps) == pytest.approx(8 / (425 / 600), rel=0.01)
    assert clip.notes[0].startswith(f"{clip.path} has frames of unequal length; each is taken once")


def test_steady_frames_are_not_worth_a_word(make_video, numbered):
    for name in ("clip.mp4", "clip.mkv", "clip.mov", "clip.ts"):
        assert read_clip(make_video(name, numbered(30), rate=Fraction(30000, 1001))).notes == ()


@pytest.mark.parametrize("name", ["clip.h264", "clip.hevc", "clip.m2v"])
def test_a_bare_stream_has_the_rate_that_its_codec_says(make_video, numbered, name):
    codec = {"clip.h264": "libx264", "clip.hevc": "libx265", "clip.m2v": "mpeg2video"}[name]
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = make_video(name, numbered(20), codec, "yuv420p", rate=24, options=options)
    clip = read_clip(path, FrameRange(num_frames=5))
    assert (clip.n_file_frames, clip.fps) == (20, 24)
    assert clip.notes == (
        f"{path} is a bare stream without times: 24 frames a second are taken, as its codec says",
    )


def test_a_bare_stream_that_says_nothing_has_the_usual_rate(make_video, numbered):
    path = make_video("clip.obu", numbered(10), "libsvtav1", "yuv420p", rate=24)
    clip = read_clip(path)
    assert (clip.n_file_frames, clip.fps) == (10, 25)
    assert clip.notes[0].endswith("25 frames a second are taken, as FFmpeg assumes")


def test_a_stride_keeps_the_speed_of_time(make_video, numbered):
    clip = read_clip(make_video(frames=numbered(40), rate=24), FrameRange(0, 2, 20))
    assert clip.fps == 12
    assert len(clip.frames) / clip.fps == Fraction(40, 24)


@pytest.mark.parametrize("fps", [Fraction(1, 60), 240, Fraction(120000, 1001), 1200])
def test_slow_and_fast_rates_are_written(tmp_path, numbered, fps):
    write_video(tmp_path / "clip.mp4", numbered(4), fps)
    assert read_color(tmp_path / "clip.mp4")[1] == fps


def test_a_rate_that_cannot_be_written_is_refused_in_words():
    with pytest.raises(UsageError, match="the frame rate is 90000; it must be above 0"):
        check_rate(90000)


@pytest.mark.parametrize("name", ["clip.mpg", "clip.vob", "clip.flv", "clip.ts", "clip.m2ts"])
def test_streams_of_which_the_pictures_are_known_late_are_read(make_video, numbered, name):
    codec = "mpeg2video" if name[-3:] in ("mpg", "vob") else "libx264"
    options = {"qmin": "1", "qmax": "1"} if codec == "mpeg2video" else {"qp": "0"}
    path = make_video(name, numbered(20), codec, "yuv420p", rate=25, options=options)
    clip = read_clip(path, FrameRange(3, 1, 5))
    assert numbers(clip) == [3, 4, 5, 6, 7]
    assert (clip.n_file_frames, clip.fps, clip.native_size) == (20, 25, (64, 48))
