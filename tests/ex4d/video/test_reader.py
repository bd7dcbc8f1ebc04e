"""read_clip: which frames of a file become the clip, and at which size."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ex4d.errors import UsageError
from ex4d.video import FrameRange, probe, read_clip


def levels(clip) -> list[int]:
    return [round(float(frame.mean())) for frame in clip.frames]


def test_the_first_49_frames_are_read_by_default(make_video, numbered):
    clip = read_clip(make_video(frames=numbered(60)))
    assert clip.frames.shape == (49, 48, 64, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.indices.tolist() == list(range(49))
    assert clip.n_file_frames == 60
    assert clip.native_size == (64, 48)
    assert np.abs(np.array(levels(clip)) - 2 * clip.indices).max() <= 1


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_start_and_stride_choose_stored_frames(make_video, numbered, name):
    clip = read_clip(make_video(name, numbered(40)), FrameRange(5, 3, 6))
    assert clip.indices.tolist() == [5, 8, 11, 14, 17, 20]
    assert np.abs(np.array(levels(clip)) - 2 * clip.indices).max() <= 1
    assert clip.n_file_frames == 40
    assert clip.fps == 10
    assert clip.notes == (f"stride 3 makes 10 frames a second of {clip.path}",)


def test_a_file_that_ends_early_gives_a_shorter_clip(make_video):
    clip = read_clip(make_video(), FrameRange(4, 2, 49))
    assert clip.indices.tolist() == [4, 6, 8]


def test_without_num_frames_the_whole_file_is_read(make_video, numbered):
    assert len(read_clip(make_video(frames=numbered(70)), FrameRange(num_frames=None)).frames) == 70


def test_a_start_beyond_the_end_says_how_many_frames_there_are(make_video):
    with pytest.raises(UsageError, match=r"frame 10 is beyond .*clip.mp4, which has 10 frames"):
        read_clip(make_video(), FrameRange(start=10))


@pytest.mark.parametrize("values", [{"start": -1}, {"stride": 0}, {"num_frames": 0}])
def test_a_range_that_no_file_has_is_refused(values):
    name, value = next(iter(values.items()))
    with pytest.raises(UsageError, match=f"{name} is {value}"):
        FrameRange(**values)


@pytest.mark.parametrize(
    "rate", [24, 25, 60, Fraction(30000, 1001), Fraction(24000, 1001), Fraction(25, 2)]
)
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_the_frame_rate_is_exact(make_video, numbered, name, rate):
    assert read_clip(make_video(name, numbered(20), rate=rate)).fps == rate


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_variable_frame_rate_keeps_the_stored_frames_and_their_average(make_video, numbered, name):
    times = [0, 20, 40, 60, 80, 280, 480, 680, 880, 1080]  # 30 per second, then 3
    clip = read_clip(make_video(name, numbered(10), times=times))
    assert np.abs(np.array(levels(clip)) - 2 * np.arange(10)).max() <= 1
    assert float(clip.fps) == pytest.approx(9 / 1.8, rel=0.15)


def test_the_clip_has_the_working_size(make_video, numbered):
    path = make_video(frames=numbered(3, size=(160, 90)), pixel_format="yuv420p")
    assert read_clip(path, width=64).frames.shape == (3, 32, 64, 3)
    assert read_clip(path, width=200, height=100).frames.shape == (3, 100, 200, 3)
    with pytest.raises(UsageError, match="width is 8"):
        read_clip(path, width=8)


def test_making_smaller_averages_areas(make_video):
    columns = np.zeros((2, 64, 64, 3), np.uint8)
    columns[:, :, ::2] = 200
    clip = read_clip(make_video(frames=columns), width=16, height=16)
    assert np.abs(clip.frames.astype(int) - 100).max() <= 2


def test_probe_describes_a_file(make_video, numbered):
    info = probe(make_video(frames=numbered(7, size=(50, 38)), pixel_format="yuv420p", rate=25))
    assert (info.native_size, info.fps, info.n_frames) == ((50, 38), 25, 7)
    assert (info.codec, info.pixel_format) == ("h264", "yuv420p")
    assert probe(make_video("clip.mkv")).n_frames is None


def test_memory_holds_the_clip_and_a_few_frames(make_video, numbered):
    path = make_video(frames=numbered(60, size=(320, 240)))
    tracemalloc.start()
    clip = read_clip(path, FrameRange(num_frames=None))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < clip.frames.nbytes + 4 * clip.frames[0].nbytes + 200_000


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="there is no /proc here")
def test_decoded_frames_are_freed_one_by_one(make_video, numbered):
    path = make_video(frames=numbered(60, size=(640, 480)), options={"preset": "ultrafast"})
    code = (
        "import gc, sys; from ex4d.video import FrameRange, read_clip\n"
        "def resident_pages(): return int(open('/proc/self/statm').read().split()[1])\n"
        "gc.disable(); read_clip(sys.argv[1], FrameRange(num_frames=15), width=64)\n"
        "before = resident_pages(); read_clip(sys.argv[1], FrameRange(num_frames=60), width=64)\n"
        "print((resident_pages() - before) * 4096)"
    )
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert int(run.stdout) < 20_000_000  # 60 frames of 0.9 MB
