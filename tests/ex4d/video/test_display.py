"""A clip looks as a player shows its file: upright, square pixels, the right colours."""

from __future__ import annotations

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition

from ex4d.errors import VideoError
from ex4d.video import FrameRange, probe, read_clip

from .mp4_boxes import add_to_entry, set_track_matrix

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
NATIVE = {"width": 64, "height": 48}

# The first four numbers a, b, c, d of a track's matrix (x' = a x + c y, y' = b x + d y, y down)
# and what they bring to the corners: top left, top right, bottom left, bottom right.
ORIENTATIONS = {
    "upright": ((1, 0, 0, 1), (RED, GREEN, BLUE, WHITE)),
    "a quarter clockwise": ((0, 1, -1, 0), (BLUE, RED, WHITE, GREEN)),
    "half": ((-1, 0, 0, -1), (WHITE, BLUE, GREEN, RED)),
    "a quarter counterclockwise": ((0, -1, 1, 0), (GREEN, WHITE, RED, BLUE)),
    "mirrored": ((-1, 0, 0, 1), (GREEN, RED, WHITE, BLUE)),
    "flipped": ((1, 0, 0, -1), (BLUE, WHITE, RED, GREEN)),
    "transposed": ((0, 1, 1, 0), (RED, BLUE, GREEN, WHITE)),
    "transposed the other way": ((0, -1, -1, 0), (WHITE, GREEN, BLUE, RED)),
}


def marked_frames(n_frames: int = 3) -> np.ndarray:
    frames = np.zeros((n_frames, 48, 64, 3), np.uint8)
    frames[:, :16, :16], frames[:, :16, -16:] = RED, GREEN
    frames[:, -16:, :16], frames[:, -16:, -16:] = BLUE, WHITE
    return frames


def corners(picture: np.ndarray) -> np.ndarray:
    return np.stack([picture[y, x] for y, x in ((6, 6), (6, -6), (-6, 6), (-6, -6))]).astype(int)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_rotation_in_the_file_is_applied(make_video, orientation):
    matrix, expected = ORIENTATIONS[orientation]
    path = make_video(frames=marked_frames())
    set_track_matrix(path, matrix)
    clip = read_clip(path)
    size = (64, 48) if matrix[0] else (48, 64)
    assert clip.native_size == probe(path).native_size == size
    assert clip.frames.shape[1:3] == size[::-1]
    for frame in clip.frames:
        assert np.abs(corners(frame) - expected).max() <= 4


def test_a_rotated_clip_is_scaled_as_displayed(make_video):
    path = make_video(frames=marked_frames())
    set_track_matrix(path, (0, 1, -1, 0))
    clip = read_clip(path, width=96, height=256)
    assert clip.frames.shape[1:] == (256, 96, 3)
    assert np.abs(corners(clip.frames[0]) - ORIENTATIONS["a quarter clockwise"][1]).max() <= 4


@pytest.mark.parametrize(
    ("pixel_aspect", "displayed"), [(Fraction(2), (128, 48)), (Fraction(1, 2), (32, 48))]
)
def test_pixels_are_made_square(make_video, pixel_aspect, displayed):
    clip = read_clip(make_video(frames=marked_frames(), sample_aspect_ratio=pixel_aspect))
    assert clip.native_size == displayed
    assert clip.frames.shape[1:3] == displayed[::-1]


def luma_weights(matrix: str) -> tuple[float, float]:
    return {"bt709": (0.2126, 0.0722), "bt601": (0.299, 0.114), "bt2020": (0.2627, 0.0593)}[matrix]


def patches(*, matrix: str, is_full: bool, height: int) -> tuple[np.ndarray, list[av.VideoFrame]]:
    """Eight colour patches, and them as YUV 4:4:4 by the formulas of the standards."""
    colors = np.random.default_rng(7).integers(0, 256, (8, 3))
    rgb = np.repeat(np.repeat(colors[None], height, 0), 16, 1)  # [height, 128, 3]
    red, green, blue = np.moveaxis(rgb / 255, -1, 0)
    weight_red, weight_blue = luma_weights(matrix)
    luma = weight_red * red + (1 - weight_red - weight_blue) * green + weight_blue * blue
    chroma = [(blue - luma) / (2 - 2 * weight_blue), (red - luma) / (2 - 2 * weight_red)]
    if is_full:
        planes = [255 * luma, *(255 * c + 128 for c in chroma)]
    else:
        planes = [219 * luma + 16, *(224 * c + 128 for c in chroma)]
    yuv = np.rint(np.stack(planes)).clip(0, 255).astype(np.uint8)
    return rgb, [av.VideoFrame.from_ndarray(yuv, format="yuv444p") for _ in range(2)]


@pytest.mark.parametrize("is_full", [False, True])
@pytest.mark.parametrize(
    ("matrix", "tag"), [("bt709", 1), ("bt601", 6), ("bt601", 5), ("bt2020", 9)]
)
def test_colours_follow_the_tags(make_video, matrix, tag, is_full):
    rgb, frames = patches(matrix=matrix, is_full=is_full, height=48)
    tags = {"colorspace": tag, "color_range": 2 if is_full else 1}
    for name, codec in (("clip.mp4", "libx264"), ("clip.mkv", "ffv1")):
        clip = read_clip(make_video(name, frames, codec, **tags), width=128, height=48)
        assert np.abs(clip.frames.astype(int) - rgb).max() <= 3


@pytest.mark.parametrize(
    ("width", "height", "matrix"),
    [(640, 576, "bt601"), (640, 640, "bt709"), (1264, 544, "bt601"), (1280, 544, "bt709")],
)
def test_untagged_colours_are_bt709_above_576_lines_or_from_1280_columns_on(
    make_video, width, height, matrix
):
    """mpv's rule."""
    rgb, (frame, _) = patches(matrix=matrix, is_full=False, height=height)
    wide = [frame.reformat(width=width, height=height, interpolation="POINT") for _ in range(2)]
    clip = read_clip(make_video(frames=wide), width=width, height=height)
    middles = (np.arange(8) * 2 + 1) * width // 16
    assert np.abs(clip.frames[:, :, middles].astype(int) - rgb[:, 8::16]).max() <= 3


UNREAD = {8: "YCgCo", 10: "constant luminance", 11: "SMPTE 2085", 13: "primaries", 14: "ICtCp"}


@pytest.mark.parametrize("matrix", UNREAD)
def test_colours_without_a_rule_are_refused(make_video, matrix):
    path = make_video("clip.mkv", colorspace=matrix)
    with pytest.raises(VideoError, match=rf"the colours of {path} are coded as .*{UNREAD[matrix]}"):
        read_clip(path)


@pytest.mark.parametrize(("compatible_with", "is_read"), [(0, False), (1, True), (4, True)])
def test_dolby_vision_that_is_compatible_with_nothing_is_refused(
    make_video, compatible_with, is_read
):
    """Profile 5 has its own colours; phones' 8.4 is HLG for all others."""
    path = make_video("clip.mp4")
    profile = 8 if is_read else 5
    content = bytes((1, 0, profile << 1, 0b101, compatible_with << 4)) + bytes(19)
    add_to_entry(path, b"avc1", struct.pack(">I4s", 32, b"dvvC") + content)
    if is_read:
        assert len(read_clip(path).frames) == 10
        return
    with pytest.raises(VideoError, match=f"{path} is Dolby Vision alone"):
        read_clip(path)


@pytest.mark.parametrize(("primaries", "matrix"), [(1, "bt709"), (9, "bt2020")])
def test_a_matrix_of_the_primaries_is_known_for_those_of_usual_video(make_video, primaries, matrix):
    rgb, frames = patches(matrix=matrix, is_full=False, height=48)
    tags = {"colorspace": 12, "color_range": 1, "color_primaries": primaries}
    clip = read_clip(make_video(frames=frames, **tags), width=128, height=48)
    assert np.abs(clip.frames.astype(int) - rgb).max() <= 3


def test_a_matrix_that_yuv_cannot_have_is_said_and_taken_for_none(make_video):
    rgb, frames = patches(matrix="bt601", is_full=False, height=48)
    path = make_video("clip.mkv", frames, "ffv1", colorspace=0, color_range=1)
    clip = read_clip(path, width=128, height=48)
    assert np.abs(clip.frames.astype(int) - rgb).max() <= 3
    assert clip.notes == (
        f"{path} tags its colours with a matrix that they cannot have: smpte170m is taken",
    )


@pytest.mark.parametrize("color_range", [1, 2])
def test_grey_follows_its_range(make_video, color_range):
    frames = [av.VideoFrame.from_ndarray(np.full((48, 64), 180, np.uint8), format="gray")] * 2
    expected = 180 if color_range == 2 else (180 - 16) * 255 / 219
    for name, codec in (("clip.mp4", "libx264"), ("clip.mkv", "ffv1")):
        clip = read_clip(make_video(name, frames, codec, "gray", color_range=color_range))
        assert np.abs(clip.frames - expected).max() <= 1


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "properties"),
    [
        ("clip.mp4", "libx264", "yuv420p", {}),
        ("clip.mp4", "libx264", "yuv422p", {}),
        ("clip.mp4", "libx264", "yuv420p10le", {}),
        ("clip.mp4", "libx264rgb", "rgb24", {"options": {"qp": "0"}}),
        ("clip.mkv", "ffv1", "yuv444p16le", {}),
        ("clip.mov", "prores_ks", "yuv422p10le", {}),
        ("clip.mov", "png", "rgb24", {}),
        ("clip.avi", "mjpeg", "yuvj420p", {"options": {"qmin": "1", "qmax": "1"}}),
        ("clip.webm", "libvpx-vp9", "yuv420p", {"options": {"crf": "4", "deadline": "realtime"}}),
        ("clip.gif", "gif", "rgb8", {"rate": 10}),
    ],
)
def test_every_usual_kind_of_file_is_read(make_video, name, codec, pixel_format, properties):
    clip = read_clip(make_video(name, marked_frames(), codec, pixel_format, **properties))
    assert clip.frames.shape == (3, 48, 64, 3)
    assert np.abs(corners(clip.frames[1]) - [RED, GREEN, BLUE, WHITE]).max() <= 16


def test_alpha_is_ignored(make_video):
    alpha = np.full((3, 48, 64, 1), 7, np.uint8)
    frames = np.concatenate([marked_frames(), alpha], axis=-1)
    clip = read_clip(make_video("clip.mov", frames, "png", "rgba"))
    assert np.array_equal(clip.frames, marked_frames())


def test_hdr_is_read(make_video):
    tags = {"colorspace": 9, "color_primaries": 9, "color_trc": 16, "color_range": 1}
    clip = read_clip(make_video(frames=marked_frames(), pixel_format="yuv420p10le", **tags))
    assert clip.frames.shape == (3, 48, 64, 3)


def test_odd_sizes_are_read(make_video, numbered):
    path = make_video("clip.mkv", numbered(3, size=(35, 29)), "ffv1", "yuv420p")
    assert probe(path).native_size == (35, 29)
    assert read_clip(path, width=35, height=29).frames.shape == (3, 29, 35, 3)


def write_streams(path, *pictures: np.ndarray, codecs, dispositions) -> None:
    """Each stream shows its picture: 1 frame when it is cover art, 5 when it is a film."""
    with av.open(str(path), "w") as container:
        streams = []
        for picture, codec, disposition in zip(pictures, codecs, dispositions, strict=True):
            stream = container.add_stream(codec, rate=30)
            stream.height, stream.width = picture.shape[:2]
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.disposition = disposition
            streams.append(stream)
        for picture, stream in zip(pictures, streams, strict=True):
            for _ in range(1 if stream.disposition & Disposition.attached_pic else 5):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())


def test_a_cover_picture_is_not_the_video(tmp_path):
    cover, film = np.full((256, 256, 3), 250, np.uint8), np.full((48, 64, 3), 40, np.uint8)
    cases = (Disposition.attached_pic, Disposition.default)
    write_streams(tmp_path / "a.mp4", cover, film, codecs=("mjpeg", "libx264"), dispositions=cases)
    clip = read_clip(tmp_path / "a.mp4")
    assert len(clip.frames) == 5
    assert clip.native_size == (64, 48)


def test_sound_with_a_cover_picture_has_no_video(tmp_path):
    with av.open(str(tmp_path / "song.m4a"), "w", format="mp4") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        sound = container.add_stream("aac", rate=8000)
        container.mux(cover.encode(av.VideoFrame(64, 64, "yuvj420p")))
        container.mux(cover.encode())
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate = 8000
        container.mux([*sound.encode(silence), *sound.encode()])
    with pytest.raises(VideoError, match="has no video in it"):
        read_clip(tmp_path / "song.m4a")


def test_the_default_one_of_several_streams_is_read(tmp_path):
    other, film = np.full((96, 128, 3), 200, np.uint8), np.full((48, 64, 3), 40, np.uint8)
    cases = (Disposition(0), Disposition.default)
    codecs = ("libx264", "libx264")
    write_streams(tmp_path / "a.mkv", other, film, codecs=codecs, dispositions=cases)
    assert read_clip(tmp_path / "a.mkv").native_size == (64, 48)


@pytest.mark.parametrize("key_frame_interval", ["1", "250"])
def test_frames_that_an_edit_list_hides_are_not_read(make_video, numbered, key_frame_interval):
    options = {"qp": "0", "bf": "0", "g": key_frame_interval}
    path = make_video(frames=numbered(20), options=options)
    data = path.read_bytes()
    entry = data.index(b"elst") + 16  # segment duration, media time: skip 5 frames of 512 ticks
    media_time = struct.unpack(">i", data[entry : entry + 4])[0] + 5 * 512
    path.write_bytes(data[:entry] + struct.pack(">i", media_time) + data[entry + 4 :])
    clip = read_clip(path)
    assert clip.n_file_frames == len(clip.frames) == 15
    assert abs(float(clip.frames[0].mean()) - 10) <= 1
    assert read_clip(path, FrameRange(num_frames=3)).n_file_frames == 15
