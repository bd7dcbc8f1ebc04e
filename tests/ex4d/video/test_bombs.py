"""M8: what unpacks to more than any memory is refused before it is unpacked."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ex4d.errors import UsageError, VideoError
from ex4d.files.budget import COMMAND_LINE
from ex4d.video import FrameRange, read_clip
from ex4d.video.source import probe

from .bombs import video_bomb

MOST_PIXELS = COMMAND_LINE.picture_pixels


def test_a_picture_of_a_few_kb_that_is_too_large_is_refused(tmp_path):
    bomb = video_bomb(tmp_path / "clip.mov", 16384, 16384)
    assert bomb.stat().st_size < 70_000
    for read in (read_clip, probe):
        with pytest.raises(VideoError, match=r"clip\.mov has no frames"):
            read(bomb)


def test_a_header_that_claims_more_is_refused(tmp_path):
    with pytest.raises(VideoError, match=f"more than {MOST_PIXELS} pixels"):
        read_clip(video_bomb(tmp_path / "clip.mov", 60_000, 60_000, 10))


def test_a_clip_of_too_many_pixels_is_refused_before_it_is_decoded(make_video, numbered):
    path = make_video(frames=numbered(49))
    with pytest.raises(UsageError, match="choose fewer or a smaller size"):
        read_clip(path, FrameRange(), width=8192, height=8192)


def test_refusing_a_bomb_takes_no_memory(tmp_path):
    video_bomb(tmp_path / "clip.mov", 16384, 16384)
    code = (
        "import resource, sys\n"
        "from ex4d.errors import VideoError\n"
        "from ex4d.video import read_clip\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_clip(sys.argv[1])\n"
        "except VideoError: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    command = [sys.executable, "-c", code, tmp_path / "clip.mov"]
    grown_kb = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert grown_kb * 1024 < MOST_PIXELS / 2  # one picture of it would have twice that
