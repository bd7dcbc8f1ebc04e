"""Where chroma lies between the pixels: coloured edges keep their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ex4d.video import read_clip, read_color, write_video

from .edges import crossing, edge_picture, to_frame

if TYPE_CHECKING:
    import av

NUMBERS = {"left": 0, "center": 1, "topleft": 2, "top": 3, "bottomleft": 4, "bottom": 5}
PHASES = np.arange(8) / 4  # of 2 pixels, after which chroma's places repeat


@pytest.mark.parametrize("axis", [0, 1])
def test_four_generations_keep_a_coloured_edge_in_its_place(tmp_path, axis):
    places = 40 + PHASES
    frames = given = np.stack([edge_picture(place, axis) for place in places])
    for generation in range(4):
        write_video(tmp_path / f"{generation}.mp4", frames, 24)
        frames, _ = read_color(tmp_path / f"{generation}.mp4")
    moved = [crossing(a, axis) - crossing(b, axis) for a, b in zip(frames, given, strict=True)]
    assert np.abs(moved).max() <= 0.05
    assert abs(np.mean(moved)) <= 0.02


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("site", NUMBERS)
@pytest.mark.parametrize(
    ("name", "codec"),
    [
        *(("clip.mp4", "libx264"), ("clip.mkv", "ffv1"), ("clip.mp4", "libx265")),
        ("clip.y4m", "wrapped_avframe"),
    ],
)
def test_chroma_lies_where_the_file_says(make_video, axis, site, name, codec):
    if name == "clip.mkv" and site in ("center", "bottomleft", "bottom"):
        pytest.skip("Matroska has no tag for it, or FFmpeg does not tell it from none")
    if name == "clip.y4m" and site not in ("left", "center", "topleft"):
        pytest.skip("YUV4MPEG2 has no name for it")
    options = {"chroma_sample_location": site}
    if codec == "libx264":
        options["qp"] = "0"
    if codec == "libx265":
        options["x265-params"] = f"lossless=1:log-level=none:chromaloc={NUMBERS[site]}"
    check(make_video(name, sited(site, axis), codec, "yuv420p", options=options), axis)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "site", "options"),
    [
        ("clip.mp4", "libx264", "yuv420p", "left", {"qp": "0"}),
        ("clip.mp4", "mpeg4", "yuv420p", "left", {"qmin": "1", "qmax": "1"}),
        ("clip.mpg", "mpeg2video", "yuv420p", "left", {"qmin": "1", "qmax": "1"}),
        ("clip.mpg", "mpeg1video", "yuv420p", "center", {"qmin": "1", "qmax": "1"}),
        ("clip.webm", "libvpx-vp9", "yuv420p", "left", {"lossless": "1"}),
        ("clip.mkv", "ffv1", "yuv420p", "left", {}),
        ("clip.avi", "mjpeg", "yuvj420p", "center", {"qmin": "1", "qmax": "1"}),
        ("clip.y4m", "wrapped_avframe", "yuv420p", "center", {}),  # its header: 420jpeg
    ],
)
def test_chroma_without_a_tag_lies_where_the_codec_has_it(
    make_video, axis, name, codec, pixel_format, site, options
):
    frames = sited(site, axis, pixel_format)
    path = make_video(name, frames, codec, pixel_format, options=options, rate=25)
    check(path, axis, most=0.1)  # some lose more than they should


def sited(site: str, axis: int, pixel_format: str = "yuv420p") -> list[av.VideoFrame]:
    pictures = [edge_picture(40 + phase, axis) for phase in PHASES]
    is_full = pixel_format.startswith("yuvj")
    return [to_frame(picture, pixel_format, site, is_full=is_full) for picture in pictures]


def check(path, axis: int, most: float = 0.05) -> None:
    clip = read_clip(path, width=128, height=96)
    moved = [
        crossing(frame, axis) - crossing(edge_picture(40 + phase, axis), axis)
        for frame, phase in zip(clip.frames, PHASES, strict=True)
    ]
    assert np.abs(moved).max() <= most
    assert abs(np.mean(moved)) <= 0.02
