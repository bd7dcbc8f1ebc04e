"""Sequences of pictures as clips: every kind, every way to name them, and what is refused."""

from __future__ import annotations

import struct
from fractions import Fraction

import cv2
import numpy as np
import OpenEXR
import pytest
import tifffile

from ex4d.errors import Ex4dError, UsageError, VideoError
from ex4d.files.budget import COMMAND_LINE, Budget
from ex4d.video.clip import FrameRange, VideoReading
from ex4d.video.reader import read_clip, read_clips
from ex4d.video.sequence import frames_from

from .pictures import KINDS, linear, write_exr, write_movie, write_sequence

FRAMES = np.random.default_rng(3).integers(0, 256, (5, 32, 48, 3), dtype=np.uint8)


@pytest.fixture
def plates(tmp_path):
    """A folder with plate.1001.png to plate.1005.png."""
    return write_sequence(tmp_path / "plates", FRAMES, "png")


def refusal(path, **more) -> str:
    with pytest.raises(Ex4dError) as caught:
        read_clip(path, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_pictures_that_were_written(tmp_path, kind):
    clip = read_clip(write_sequence(tmp_path / "plates", FRAMES, kind))
    np.testing.assert_array_equal(clip.frames, FRAMES)
    assert clip.numbers.tolist() == [1001, 1002, 1003, 1004, 1005]
    assert clip.fps == 24
    is_linear = kind in ("exr half", "exr float", "tiff float")
    assert any("scene-linear values, shown through the sRGB" in n for n in clip.notes) == is_linear


@pytest.mark.parametrize("kind", ["png", "tiff 16", "exr half", "exr float"])
@pytest.mark.parametrize("size", [(48, 32), (32, 16), (96, 64)])
def test_it_is_what_a_lossless_movie_gives(tmp_path, kind, size):
    movie = read_clip(write_movie(tmp_path / "plate.mov", FRAMES), width=size[0], height=size[1])
    plates = write_sequence(tmp_path / "plates", FRAMES, kind)
    clip = read_clip(plates, width=size[0], height=size[1])
    np.testing.assert_array_equal(clip.frames, movie.frames)
    assert clip.fps == movie.fps
    assert (clip.native_size, clip.n_file_frames) == (movie.native_size, movie.n_file_frames)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("", range(1001, 1006)),
        ("plate.%04d.png", range(1001, 1006)),
        ("plate.####.png", range(1001, 1006)),
        ("plate.1002-1004.png", range(1002, 1005)),
        ("plate.1003.png", range(1001, 1006)),
    ],
)
def test_every_way_to_name_it(plates, name, numbers):
    clip = read_clip(plates / name)
    assert clip.numbers.tolist() == list(numbers)
    np.testing.assert_array_equal(clip.frames, FRAMES[np.array(numbers) - 1001])


def test_frames_are_asked_for_by_their_numbers(plates):
    chosen = frames_from(plates, 1002, 2, 49)
    clip = read_clip(plates, chosen)
    assert clip.numbers.tolist() == [1002, 1004]
    assert clip.start_number == 1002
    assert clip.fps == 12  # time keeps its speed
    with pytest.raises(UsageError, match=r"frame 2 is before the first of .*1001 to 1005"):
        frames_from(plates, 2, 1, 49)
    text = refusal(plates, frames=frames_from(plates, 1006, 1, 49))
    assert "frame 1006 is beyond the end" in text
    assert "5 frames: 1001 to 1005" in text


def test_the_rate_is_what_is_given_or_what_the_files_say_or_24(tmp_path, plates):
    assert any("24 frames a second are taken" in note for note in read_clip(plates).notes)
    rate = Fraction(24000, 1001)
    clip = read_clip(plates, reading=VideoReading(fps=rate))
    assert (clip.fps, clip.notes) == (rate, ())
    told = write_sequence(tmp_path / "told", FRAMES, "exr half")
    for path in told.iterdir():
        _add_attribute(path, b"framesPerSecond", (30000, 1001))
    clip = read_clip(told)
    assert clip.fps == Fraction(30000, 1001)
    np.testing.assert_array_equal(clip.frames, FRAMES)


def _add_attribute(path, name, value):
    """As a renderer writes it, which the library here cannot: a rational number in the header."""
    attribute = name + b"\0rational\0" + struct.pack("<i", 8) + struct.pack("<iI", *value)
    data = path.read_bytes()
    end = _end_of_header(data)
    n_chunks = (struct.unpack_from("<Q", data, end)[0] - end) // 8  # the first lies behind them all
    offsets = struct.unpack_from(f"<{n_chunks}Q", data, end)
    moved = struct.pack(f"<{n_chunks}Q", *(offset + len(attribute) for offset in offsets))
    start, pixels = data[: end - 1] + attribute + b"\0", data[end + 8 * n_chunks :]
    path.write_bytes(start + moved + pixels)


def _end_of_header(data: bytes) -> int:
    at = 8
    while data[at]:
        at = data.index(b"\0", data.index(b"\0", at) + 1) + 1
        at += 4 + int.from_bytes(data[at : at + 4], "little")
    return at + 1


def test_gaps_and_odd_sizes_are_named(plates):
    (plates / "plate.1003.png").unlink()
    assert "frame 1003 is missing before" in refusal(plates)
    assert "plate.1004.png" in refusal(plates)
    assert "frame 1003 is missing" in refusal(plates / "plate.1001-1005.png")
    assert "frame 1006 is missing" in refusal(plates / "plate.1004-1006.png")
    cv2.imwrite(str(plates / "plate.1003.png"), np.zeros((30, 48, 3), np.uint8))
    text = refusal(plates)
    assert "plate.1003.png has 48x30 pixels" in text
    assert "plate.1001.png has 48x32" in text


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(b""), "is not a PNG or JPEG or TIFF or DPX picture"),
        (lambda path: path.write_bytes(path.read_bytes()[:200]), "is not a picture that can be"),
        (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40)), "is not a picture"),
        (lambda path: path.write_bytes(b"\xff\xd8\xff\xc0\0\x11\x08\0\1"), "is not a PNG or JPEG"),
        (lambda path: path.unlink() or path.mkdir(), "frame 1002 is missing"),
    ],
)
def test_a_damaged_picture_is_named(plates, spoil, words):
    spoil(plates / "plate.1002.png")
    text = refusal(plates)
    assert words in text
    assert "1002" in text


def test_one_picture_is_no_clip(tmp_path):
    plates = write_sequence(tmp_path / "plates", FRAMES[:1], "png")
    assert "has only 1 frame; a clip needs at least 2" in refusal(plates / "plate.1001.png")


def test_a_movie_that_is_called_like_a_picture_is_a_movie(tmp_path):
    movie = write_movie(tmp_path / "a.mov", FRAMES).rename(tmp_path / "a.0001.png")
    assert read_clip(movie).start_number is None
    with pytest.raises(UsageError, match=r"a\.0001\.png is a video, which needs no fps"):
        read_clip(movie, reading=VideoReading(fps=Fraction(24)))


def test_the_data_window_lies_in_the_display_window(tmp_path):
    light = linear(FRAMES).astype(np.float16)
    window = (np.array([10, 4], np.int32), np.array([29, 23], np.int32))
    whole = (np.array([0, 0], np.int32), np.array([47, 31], np.int32))
    for number, frame in enumerate(light):
        part = np.ascontiguousarray(frame[4:24, 10:30])
        write_exr(tmp_path / f"a.{number}.exr", {"RGB": part}, dataWindow=window,
                  displayWindow=whole)  # fmt: skip
    clip = read_clip(tmp_path)
    expected = np.zeros_like(FRAMES)
    expected[:, 4:24, 10:30] = FRAMES[:, 4:24, 10:30]
    np.testing.assert_array_equal(clip.frames, expected)


def test_the_beauty_is_taken_of_a_blender_file_and_others_by_name(tmp_path):
    light = linear(FRAMES).astype(np.float16)
    for number, frame in enumerate(light):
        other = light[number - 1]
        channels = {}
        for layer, picture in (("ViewLayer.Combined", frame), ("ViewLayer.DiffCol", other)):
            for index, letter in enumerate("RGB"):
                channels[f"{layer}.{letter}"] = np.ascontiguousarray(picture[..., index])
        channels["ViewLayer.Depth.Z"] = np.ones(frame.shape[:2], np.float32)
        write_exr(tmp_path / f"a.{number}.exr", channels)
    clip = read_clip(tmp_path)
    np.testing.assert_array_equal(clip.frames, FRAMES)
    assert any("colour from ViewLayer.Combined" in note for note in clip.notes)
    other = read_clip(tmp_path, reading=VideoReading(layer="DiffCol"))
    np.testing.assert_array_equal(other.frames, np.roll(FRAMES, 1, axis=0))
    with_no = refusal(tmp_path, reading=VideoReading(layer="Glossy"))
    assert "no channel is called 'Glossy'; name one of ViewLayer.Combined" in with_no


def test_the_part_of_a_stereo_file_is_said(tmp_path):
    light = linear(FRAMES).astype(np.float16)
    for number, frame in enumerate(light):
        parts = [
            OpenEXR.Part({"type": OpenEXR.scanlineimage, "view": view}, {"RGB": picture}, view)
            for view, picture in (("left", frame), ("right", frame * np.float16(0.5)))
        ]
        OpenEXR.File(parts).write(str(tmp_path / f"a.{number}.exr"))
    clip = read_clip(tmp_path)
    np.testing.assert_array_equal(clip.frames, FRAMES)
    assert any("of part 1 of 2, view left, not right" in note for note in clip.notes)
    right = read_clip(tmp_path, reading=VideoReading(layer="right"))
    assert right.frames.mean() < clip.frames.mean()


def test_oblong_pixels_are_made_square(tmp_path):
    for number, frame in enumerate(linear(FRAMES).astype(np.float16)):
        write_exr(tmp_path / f"a.{number}.exr", {"RGB": frame}, pixelAspectRatio=2.0)
    assert read_clip(tmp_path).native_size == (96, 32)


def test_jpegs_are_read_upright(tmp_path):
    picture = np.zeros((32, 48, 3), np.uint8)
    picture[:16] = (200, 40, 30)
    done, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])
    assert done
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    app1 = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    for number in (1, 2):
        data_now = data.tobytes()
        (tmp_path / f"a{number}.jpg").write_bytes(data_now[:2] + app1 + data_now[2:])
    clip = read_clip(tmp_path)
    assert clip.native_size == (32, 48)
    assert clip.frames[0][:, 20:].mean(axis=(0, 1)) == pytest.approx((200, 40, 30), abs=3)
    assert clip.frames[0][:, :12].max() < 12


@pytest.mark.parametrize("alpha", [False, True])
def test_grey_pictures_and_alpha(tmp_path, alpha):
    grey = FRAMES[..., 0]
    for number, frame in enumerate(grey):
        if alpha:
            how = {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": [2]}
            tifffile.imwrite(tmp_path / f"a{number}.tif", np.dstack([frame, frame * 0]), **how)
        else:
            cv2.imwrite(str(tmp_path / f"a{number}.png"), frame)
    np.testing.assert_array_equal(read_clip(tmp_path).frames, np.repeat(grey[..., None], 3, -1))


def test_bounds_are_kept(plates):
    small = Budget(picture_pixels=100, clip_pixels=1 << 20, video_frames=100, array_bytes=1 << 20)
    assert "48x32 pixels" in refusal(plates, budget=small)
    few = Budget(1 << 20, 1 << 20, video_frames=4, array_bytes=1 << 20)
    assert "has 5 pictures; 4 are the most" in refusal(plates, budget=few)
    short = Budget(1 << 20, clip_pixels=3000, video_frames=100, array_bytes=1 << 20)
    assert "are more than the 3000 pixels" in refusal(plates, budget=short)
    assert len(read_clip(plates, budget=COMMAND_LINE).frames) == 5


def test_clips_follow_each_other(tmp_path):
    plates = write_sequence(
        tmp_path / "plates", np.concatenate([FRAMES, FRAMES, FRAMES[:2]]), "png"
    )
    clips = list(read_clips(plates, lambda size: size, num_frames=5))
    assert [clip.numbers[0] for clip in clips] == [1001, 1006]
    assert [int(c.indices[0]) for c in read_clips(plates, lambda s: s, num_frames=5, skip=[0])] == [
        5
    ]
    with pytest.raises(VideoError, match="has only 12 frames"):
        list(read_clips(plates, lambda size: size, num_frames=13))


def test_a_stride_that_is_asked_for(plates):
    assert read_clip(plates, FrameRange(0, 2, None)).numbers.tolist() == [1001, 1003, 1005]
