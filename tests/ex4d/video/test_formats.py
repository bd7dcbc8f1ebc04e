"""Only formats that hold their own pictures are opened, whatever a file is called."""

from __future__ import annotations

import sys

import av
import numpy as np
import pytest

from ex4d.errors import VideoError
from ex4d.video import read_clip
from ex4d.video.formats import FORMATS

from .references import REFERENCES, reference_movie, watched

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the canary is watched by inotify")

# container, codec, pixel format, size: what cameras, editors and the web give
USUAL = {
    "clip.mp4": ("mp4", "libx264", "yuv420p"),
    "clip.mov": ("mov", "prores_ks", "yuv422p10le"),
    "clip.mkv": ("matroska", "ffv1", "yuv420p"),
    "clip.webm": ("webm", "libvpx-vp9", "yuv420p"),
    "clip.avi": ("avi", "mjpeg", "yuvj420p"),
    "clip.mpg": ("mpeg", "mpeg2video", "yuv420p"),
    "clip.vob": ("vob", "mpeg2video", "yuv420p"),
    "clip.ts": ("mpegts", "libx264", "yuv420p"),
    "clip.m2ts": ("mpegts", "mpeg2video", "yuv420p"),
    "clip.mxf": ("mxf", "mpeg2video", "yuv420p"),
    "clip.flv": ("flv", "flv1", "yuv420p"),
    "clip.ogv": ("ogg", "libvpx", "yuv420p"),
    "clip.gif": ("gif", "gif", "rgb8"),
    "clip.apng": ("apng", "apng", "rgb24"),
    "clip.y4m": ("yuv4mpegpipe", "wrapped_avframe", "yuv420p"),
    "clip.3gp": ("3gp", "h263", "yuv420p"),
    "clip.wmv": ("asf", "wmv2", "yuv420p"),
    "clip.dv": ("dv", "dvvideo", "yuv420p"),
    "clip.nut": ("nut", "libx264", "yuv420p"),
    "clip.h264": ("h264", "libx264", "yuv420p"),
}


@pytest.fixture
def watch(tmp_path, numbered):
    with watched(tmp_path / "private", numbered(10)) as watch:
        yield watch


@pytest.fixture
def usual(tmp_path):
    """Write six grey frames of 20 levels each in one of the usual formats."""

    def make(name, number=0):
        container_format, codec, pixels = USUAL[name]
        size = (720, 576) if codec == "dvvideo" else (176, 144)
        path = tmp_path / name
        with av.open(str(path), "w", format=container_format) as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = *size, pixels
            for level in range(6):
                picture = np.full((size[1], size[0], 3), 40 * level, np.uint8)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                container.mux(stream.encode(frame.reformat(format=pixels)))
            container.mux(stream.encode())
        return path

    return make


def refusal(path) -> str:
    with pytest.raises(VideoError) as caught:
        read_clip(path)
    text = str(caught.value)
    assert text.startswith(f"{path} ")
    assert "\n" not in text
    return text


def test_every_format_of_the_list_is_one_of_ffmpegs():
    for name in FORMATS:
        av.ContainerFormat(name, "r")


def test_the_watch_sees_what_a_playlist_opens(watch, tmp_path):
    """Without the list FFmpeg does open what a playlist names."""
    (tmp_path / "list.ffconcat").write_text(REFERENCES["concat"][1]("private/canary.mp4"))
    assert not watch.was_opened()
    with av.open(str(tmp_path / "list.ffconcat")):
        assert watch.was_opened()
    (tmp_path / "list.m3u8").write_text(REFERENCES["hls"][1](watch.address))
    with pytest.raises(av.FFmpegError):  # nobody answers
        av.open(
            str(tmp_path / "list.m3u8"),
            timeout=0.5,
            options={"protocol_whitelist": "file,tcp,http"},
        )
    assert watch.was_called()


@pytest.mark.parametrize("named", ["by its suffix", "as an mp4", "as a picture"])
@pytest.mark.parametrize("kind", REFERENCES)
def test_m8_a_file_that_names_others_is_refused_in_words(watch, tmp_path, kind, named):
    suffix, text_for = REFERENCES[kind]
    name = {"by its suffix": f"clip{suffix}", "as an mp4": "clip.mp4", "as a picture": "clip.png"}
    path = tmp_path / name[named]
    targets = [watch.address, f"file:{watch.canary}", f"file://{watch.canary}"]
    targets += [f"crypto:{watch.canary}", f"subfile,,start,0,end,0,,:{watch.canary}"]
    for target in [*targets, str(watch.canary), "private/canary.mp4"]:
        if kind == "ram" and not target.startswith(("http", "file", "crypto")):
            continue  # then nothing tells it from any text
        path.write_text(text_for(target))
        assert refusal(path).endswith("that names other files; send the video itself")
    assert not watch.was_opened()
    assert not watch.was_called()


@pytest.mark.parametrize("name", ["clip.mov", "clip.mp4"])
def test_m8_a_reference_movie_is_refused_in_words(watch, tmp_path, numbered, name):
    for target in (f"file://{watch.canary}", watch.address):
        path = reference_movie(tmp_path / name, numbered(10), target)
        assert "reference movie whose pictures lie in other files" in refusal(path)
    assert not watch.was_opened()
    assert not watch.was_called()


def test_m8_a_mov_of_references_alone_is_refused_in_words(watch, tmp_path):
    target = str(watch.canary).encode() + b"\0"
    box = lambda kind, data: (8 + len(data)).to_bytes(4, "big") + kind + data  # noqa: E731
    rdrf = box(b"rdrf", bytes(4) + b"url " + len(target).to_bytes(4, "big") + target)
    (tmp_path / "clip.mov").write_bytes(box(b"moov", box(b"rmra", box(b"rmda", rdrf))))
    assert "reference movie" in refusal(tmp_path / "clip.mov")
    assert not watch.was_opened()


@pytest.mark.parametrize("name", USUAL)
def test_the_usual_formats_are_read_and_by_any_name(usual, name):
    path = usual(name)
    for other in (name, "clip.mp4", "clip", "clip.m3u8", "clip%03d.png"):
        path = path.rename(path.with_name(other))
        clip = read_clip(path)
        levels = clip.frames.mean(axis=(1, 2, 3))
        np.testing.assert_allclose(levels, np.arange(6) * 40, atol=3)


@pytest.mark.parametrize(
    "name",
    [
        *("clip%03d.png", "clip*.jpg", "clip[0-9].png", "{a,b}.png", "concat:a.mp4", "a|b.mp4"),
        *("subfile,,start,0,end,9,,:clip.mp4", "crypto:clip.mp4", "data:,clip", "lavfi", "testsrc"),
        *("http:clip.mp4", "-", "pipe:0", "fd:0", "tee:a", "cache:a", "async:a", "@clip.mp4"),
    ],
)
def test_a_name_that_looks_like_an_address_or_a_pattern_is_a_name(
    usual, tmp_path, monkeypatch, name
):
    usual("clip.mp4").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(read_clip(name).frames) == 6


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"\x89PNG\r\n\x1a\n", "is a single picture, not a video"),
        (b"\xff\xd8\xff\xe0", "is a single picture, not a video"),
        (b"fLaC", "is sound only: it has no video in it"),
        (b"PK\x03\x04", "is an archive; send the video in it"),
        (b"1\n00:00:00,000 --> 00:00:01,000\nhello\n", "cannot be read as a video"),
        (b";FFMETADATA1\ntitle=x\n", "cannot be read as a video"),
        (b"<html>", "is an XML text that names other files"),
    ],
)
def test_a_file_of_another_kind_is_told_what_it_is(tmp_path, start, words):
    (tmp_path / "clip.mp4").write_bytes(start + b"\n" * 100)
    assert words in refusal(tmp_path / "clip.mp4")
