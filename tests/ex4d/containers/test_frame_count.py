"""Pictures counted by the container are those that are decoded."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from ex4d.containers.frame_count import count_frames

N = 40
UNIT = Fraction(1, 600)
CLOCKS = {
    "steady": [20 * k for k in range(N)],
    "gaps": [20 * (k + k // 3) for k in range(N)],
    "late": [140 + 20 * k for k in range(N)],
}


def write_clip(path, times, options=None, bf="2"):
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream("libx264", rate=30, options={"g": "10", "bf": bf})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = UNIT
        sound = container.add_stream("aac", rate=8000) if path.suffix != ".webm" else None
        for time in times:
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = time, UNIT
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            silence = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
            silence.sample_rate = 8000
            for plane in silence.planes:
                plane.update(bytes(plane.buffer_size))
            container.mux(sound.encode(silence))
            container.mux(sound.encode())
    return path


def moved(path, target, by_s, options):
    """The packets of a clip, earlier by some seconds."""
    with av.open(str(path)) as source, av.open(str(target), "w", options=options) as container:
        stream = source.streams.video[0]
        copy = container.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.size:
                shift = round(by_s / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = copy
                container.mux(packet)
    return target


def n_decoded(path):
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.avi"])
@pytest.mark.parametrize("clock", CLOCKS)
def test_clips_of_any_clock_are_counted(tmp_path, name, clock):
    path = write_clip(tmp_path / name, CLOCKS[clock])
    assert count_frames(path) == n_decoded(path) == N


@pytest.mark.parametrize("flags", ["frag_keyframe+empty_moov", "dash"])
def test_fragments_are_counted(tmp_path, flags):
    path = write_clip(tmp_path / "a.mp4", CLOCKS["steady"], {"movflags": flags})
    assert count_frames(path) == n_decoded(path) == N


def test_a_live_stream_of_matroska_is_counted(tmp_path):
    path = write_clip(tmp_path / "a.mkv", CLOCKS["steady"], {"live": "1"})
    assert count_frames(path) == n_decoded(path) == N


@pytest.mark.parametrize("frames", [1, 7, 13.5])
@pytest.mark.parametrize("name", ["cut.mp4", "cut.mov"])
def test_what_an_edit_list_cuts_is_not_counted(tmp_path, name, frames):
    whole = write_clip(tmp_path / "a.mp4", CLOCKS["steady"], bf="0")
    path = moved(whole, tmp_path / name, frames / 30, {"avoid_negative_ts": "disabled"})
    assert count_frames(path) == n_decoded(path) < N


@pytest.mark.parametrize("content", [b"", b"text", b"RIFF____AVI LIST", bytes(4000)])
def test_nothing_is_told_of_other_files(tmp_path, content):
    path = tmp_path / "a"
    path.write_bytes(content)
    assert count_frames(path) == count_frames(tmp_path / "none") == 0


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_a_damaged_file_is_no_error(tmp_path, name):
    whole = write_clip(tmp_path / name, CLOCKS["steady"]).read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / f"damaged_{name}"
    for _ in range(300):
        damaged = bytearray(whole[: rng.integers(len(whole))])
        for place in rng.integers(len(damaged) or 1, size=5 if damaged else 0):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        assert count_frames(path) >= 0
