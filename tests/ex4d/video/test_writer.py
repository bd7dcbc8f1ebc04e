"""Written files: what comes back from them, and what is left when writing fails."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from ex4d.errors import OutputError, UsageError, VideoError
from ex4d.video import (
    FrameRange,
    read_clip,
    read_color,
    read_mask,
    read_metadata,
    write_color,
    write_mask,
    write_video,
)

WRITERS = [write_color, write_mask, write_video]
ODD_AND_EVEN = [(48, 64), (37, 64), (48, 35), (37, 35), (1, 1)]
rng = np.random.default_rng(0)


def noise(n_frames: int = 4, height: int = 96, width: int = 128) -> np.ndarray:
    return rng.integers(0, 256, (n_frames, height, width, 3), dtype=np.uint8)


def with_holes(frames: np.ndarray) -> np.ndarray:
    """Hard black rectangles, as conditions have."""
    frames = frames.copy()
    for frame in frames:
        for y, x in rng.integers(0, frame.shape[0] - 20, (40, 2)):
            frame[y : y + 9, x : x + 15] = 0
    return frames


def input_for(writer, n_frames: int) -> np.ndarray:
    frames = noise(n_frames, 32, 32)
    return frames[..., 0] > 127 if writer is write_mask else frames


@pytest.mark.parametrize("name", ["kitchen/input.mp4", "flower/render_180.mp4"])
@pytest.mark.parametrize("has_holes", [False, True])
def test_color_of_real_footage_is_kept_to_45_db(tmp_path, shared_clip, psnr, name, has_holes):
    frames = read_clip(shared_clip(name), FrameRange(20, 1, 8)).frames
    frames = with_holes(frames) if has_holes else frames
    write_color(tmp_path / "color.mp4", frames, 30)
    assert psnr(read_color(tmp_path / "color.mp4")[0], frames).min() >= 45
    assert (tmp_path / "color.mp4").stat().st_size < frames.nbytes / 6


def test_color_of_pure_noise_is_kept_to_45_db(tmp_path, psnr):
    frames = noise()
    write_color(tmp_path / "color.mp4", frames, 30)
    assert psnr(read_color(tmp_path / "color.mp4")[0], frames).min() >= 45


@pytest.mark.parametrize("size", ODD_AND_EVEN)
def test_a_mask_of_any_size_comes_back_exactly(tmp_path, size):
    masks = rng.random((5, *size)) > 0.5
    write_mask(tmp_path / "mask.mp4", masks, 25)
    read, fps = read_mask(tmp_path / "mask.mp4")
    assert read.dtype == np.bool_
    assert np.array_equal(read, masks)
    assert fps == 25


@pytest.mark.parametrize("size", [(48, 64), (37, 35)])
def test_opencv_reads_a_mask_as_0_and_255(tmp_path, size):
    masks = rng.random((5, *size)) > 0.5
    write_mask(tmp_path / "mask.mp4", masks, 30)
    capture = cv2.VideoCapture(str(tmp_path / "mask.mp4"))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(30)
    pictures = [capture.read()[1] for _ in range(5)]
    capture.release()
    assert np.array_equal(np.stack(pictures), np.repeat(masks[..., None], 3, -1) * np.uint8(255))


def test_a_mask_of_the_public_code_is_read_in_spite_of_its_losses(shared_clip):
    path = shared_clip("flower/mask_180.mp4")
    masks, fps = read_mask(path)
    assert masks.shape == (49, 512, 512)
    assert fps == 30
    capture = cv2.VideoCapture(str(path))
    for mask in masks:
        grey = capture.read()[1].mean(-1)
        assert np.array_equal(mask[abs(grey - 127) > 3], (grey > 127)[abs(grey - 127) > 3])
    capture.release()


@pytest.mark.parametrize("size", ODD_AND_EVEN)
@pytest.mark.parametrize("writer", [write_color, write_video])
def test_pictures_of_any_size_come_back_in_their_size(tmp_path, writer, size):
    frames = np.full((3, *size, 3), (200, 100, 50), np.uint8)
    writer(tmp_path / "clip.mp4", frames, 30)
    read, _ = read_color(tmp_path / "clip.mp4")
    assert read.shape == frames.shape
    assert np.abs(read.astype(int) - frames).max() <= 3


def test_a_video_for_people_is_in_the_format_that_all_players_know(tmp_path, numbered):
    write_video(tmp_path / "clip.mp4", numbered(5), 30)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt, context.profile) == ("h264", "yuv420p", "High")
    data = (tmp_path / "clip.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("writer", WRITERS)
def test_every_file_is_tagged_bt709_limited(tmp_path, writer):
    writer(tmp_path / "clip.mp4", input_for(writer, 3), 30)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        frame = next(container.decode(video=0))
    tags = (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range)
    assert tags == (1, 1, 1, 1)


@pytest.mark.parametrize("n_frames", [1, 2, 20])
@pytest.mark.parametrize("fps", [24, 25, 29.97, Fraction(30000, 1001), 60, 12.5])
def test_the_frame_rate_and_count_come_back_exactly(tmp_path, numbered, fps, n_frames):
    write_color(tmp_path / "clip.mp4", numbered(n_frames), fps)
    frames, read_fps = read_color(tmp_path / "clip.mp4")
    assert read_fps == Fraction(fps).limit_denominator(65535)
    assert len(frames) == n_frames
    assert np.abs(frames.mean((1, 2, 3)) - 2 * np.arange(n_frames)).max() <= 1


@pytest.mark.parametrize("writer", WRITERS)
def test_equal_frames_give_equal_bytes(tmp_path, writer):
    frames = input_for(writer, 8)
    for name in ("a.mp4", "b.mp4"):
        writer(tmp_path / name, frames, 30, metadata={"title": "shot"})
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here")
def test_the_bytes_do_not_depend_on_the_number_of_cores(tmp_path):
    def on_one_core():
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    for name, prepare in (("a.mp4", None), ("b.mp4", on_one_core)):
        command = [sys.executable, "-c", WRITE_NOISE, str(tmp_path / name)]
        subprocess.run(command, check=True, preexec_fn=prepare)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_frames_are_taken_one_by_one(tmp_path, numbered):
    write_color(tmp_path / "clip.mp4", (frame for frame in numbered(5)), 30)
    assert len(read_color(tmp_path / "clip.mp4")[0]) == 5


def test_metadata_comes_back(tmp_path, numbered):
    given = {"title": "flower, 180°", "comment": "seed 0\nengine preview", "description": "d"}
    write_video(tmp_path / "clip.mp4", numbered(2), 30, metadata=given)
    assert read_metadata(tmp_path / "clip.mp4") == given
    with pytest.raises(UsageError, match="metadata seed is not one of title, "):
        write_video(tmp_path / "clip.mp4", numbered(2), 30, metadata={"seed": "0"})


@pytest.mark.parametrize("writer", WRITERS)
def test_no_frames_are_refused_and_leave_nothing(tmp_path, writer):
    with pytest.raises(UsageError, match=r"no frames to write to .*clip.mp4"):
        writer(tmp_path / "clip.mp4", input_for(writer, 4)[:0], 30)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), 1e9])
def test_a_frame_rate_that_cannot_be_is_refused(tmp_path, numbered, fps):
    with pytest.raises(UsageError, match="the frame rate is"):
        write_color(tmp_path / "clip.mp4", numbered(2), fps)


def test_a_frame_of_another_size_or_type_is_refused_by_its_number(tmp_path, numbered):
    frames = [*numbered(2), np.zeros((8, 8, 3), np.uint8)]
    with pytest.raises(UsageError, match=r"frame 2 .* is \[8, 8, 3\] uint8; .* \[48, 64, 3\]"):
        write_color(tmp_path / "clip.mp4", frames, 30)
    with pytest.raises(UsageError, match=r"frame 0 .* float64"):
        write_color(tmp_path / "clip.mp4", numbered(2) / 255, 30)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", [KeyboardInterrupt, VideoError, MemoryError])
def test_an_interrupted_file_leaves_the_older_one(tmp_path, numbered, fault):
    def frames():
        yield from numbered(30)
        raise fault("stop")

    (tmp_path / "clip.mp4").write_bytes(b"older")
    with pytest.raises(fault, match="stop"):
        write_color(tmp_path / "clip.mp4", frames(), 30)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
    assert (tmp_path / "clip.mp4").read_bytes() == b"older"


def test_a_name_of_another_kind_is_refused(tmp_path, numbered):
    with pytest.raises(UsageError, match=r"clip.txt must end in .mp4 or .mov"):
        write_color(tmp_path / "clip.txt", numbered(2), 30)


@pytest.mark.parametrize("name", ["a:b.mp4", "100%d.mp4", "sp ace ü.mp4", "http:x.mov"])
def test_any_name_of_a_file_is_written(tmp_path, numbered, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("c:d").mkdir()
    for path in (Path(name), Path("c:d", name)):
        write_color(path, numbered(2), 30)
        assert len(read_color(path)[0]) == 2
    assert sorted(os.listdir()) == sorted(["c:d", name])


WRITE_NOISE = """
import sys, numpy as np
from ex4d.errors import OutputError
from ex4d.video import write_color
noise = np.random.default_rng(0).integers(0, 256, (20, 96, 128, 3), np.uint8)
try: write_color(sys.argv[1], noise, 30)
except OutputError as error: print(error)
"""


def test_a_file_larger_than_allowed_is_an_output_error(tmp_path):
    def allow_50_kb():
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    command = [sys.executable, "-c", WRITE_NOISE, str(tmp_path / "clip.mp4")]
    run = subprocess.run(command, capture_output=True, text=True, preexec_fn=allow_50_kb)
    reason = "clip.mp4 cannot be written: the file would be larger than this system allows\n"
    assert run.stdout.endswith(reason)
    assert run.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_output_error(tmp_path):
    script = f'mount -t tmpfs -o size=64k none "{tmp_path}" && "$@" && ls -A "{tmp_path}"'
    write = [sys.executable, "-c", WRITE_NOISE, str(tmp_path / "clip.mp4")]
    command = ["unshare", "-rm", "sh", "-c", script, "sh", *write]
    try:
        run = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no unshare here to mount a small disk with")
    if "unshare" in run.stderr or "mount" in run.stderr:
        pytest.skip("a small disk cannot be mounted here")
    assert run.stdout == f"{tmp_path}/clip.mp4 cannot be written: the disk is full\n"
    assert run.stderr == ""


def test_a_folder_that_is_not_there_is_an_output_error(tmp_path, numbered):
    with pytest.raises(OutputError, match="cannot be written: its folder does not exist"):
        write_color(tmp_path / "none" / "clip.mp4", numbered(2), 30)
