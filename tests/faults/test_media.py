"""M6, M7, M8: what real jobs are given to read."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import psutil
import pytest

from backend.settings import ServerSettings
from ex4d.depth.exr import write_exr
from ex4d.video.writer import write_video
from protocol.errors import InvalidArgument
from protocol.messages.jobs import DepthFiles, JobState, Reconstruct, Source
from tests.ex4d.cli.conftest import make_shot
from tests.ex4d.video.bombs import npz_bomb, video_bomb
from tests.ex4d.video.references import REFERENCES, reference_movie, watched

from .rig import REAL_RUNNER, Rig

GB = 1 << 30
N_FRAMES, SIZE = 6, (64, 48)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """One server for all cases, and a clip of 6 frames with its depth that it can read."""
    rig = Rig(tmp_path_factory.mktemp("media"))
    rig.shot = make_shot(rig.root / "shot", N_FRAMES, SIZE)
    rig.start("--runner", REAL_RUNNER)
    try:
        yield rig
        rig.check()
    finally:
        rig.close()


@pytest.fixture
def rig(shared):
    """The same server for every case."""
    return shared


def reconstruct(rig, clip, depth=None, name="clip.mp4", **settings):
    """Hand a clip in, and wait for the end."""
    with rig.client() as client:
        blobs = client.upload(clip), client.upload(depth or rig.shot / "depth.npz")
        source = Source(blobs[0], name, DepthFiles(blobs[1:2]), **settings)
        rig.n_jobs += 1
        info = client.submit(Reconstruct(source), key=f"key {rig.n_jobs}")
        rig.acknowledged.add(info.job_id)
        return rig.ended(client, info.job_id)


def video(rig, n_frames, size):
    frames = np.zeros((n_frames, size[1], size[0], 3), np.uint8)
    write_video(rig.root / "given.mp4", frames, 24)
    return rig.root / "given.mp4"


def test_m6_a_clip_without_frames_is_refused_in_words(rig):
    failed = reconstruct(rig, rig.file(b"no video at all"), name="my walk.mp4")
    assert (failed.state, failed.error_code) == (JobState.FAILED, "invalid_video")
    assert failed.error_text.startswith("my walk.mp4 ")
    with pytest.raises(InvalidArgument):  # before it is a job
        reconstruct(rig, rig.file(b""))


def test_m6_a_clip_of_one_frame_is_refused_with_the_number(rig):
    failed = reconstruct(rig, video(rig, 1, SIZE))
    assert failed.error_code == "invalid_video"
    assert "has only 1 frame; a clip needs at least 2" in failed.error_text


def test_m6_depth_for_another_number_of_frames_is_refused_with_both(rig):
    failed = reconstruct(rig, video(rig, 9, SIZE))
    assert failed.error_code == "invalid_depth"
    assert "6" in failed.error_text
    assert "9" in failed.error_text


def test_m6_a_clip_of_an_odd_size_is_done(rig):
    assert reconstruct(rig, video(rig, N_FRAMES, (63, 47))).state is JobState.DONE


def test_m6_a_frame_beyond_the_end_is_refused_with_the_last(rig):
    failed = reconstruct(rig, rig.shot / "clip.mp4", start_frame=100_000)
    assert failed.error_code == "invalid_usage"
    assert "0 to 5" in failed.error_text


@pytest.mark.parametrize(
    "name", ["../../../escape.mp4", "/etc/passwd", "nul\0.mp4", "CON", "🎬.mp4"]
)
def test_m7_the_name_of_a_clip_never_becomes_a_path(rig, name):
    before = {path for path in rig.root.rglob("*") if "data" not in path.parts}
    assert reconstruct(rig, rig.shot / "clip.mp4", name=name).state is JobState.DONE
    assert {path for path in rig.root.rglob("*") if "data" not in path.parts} == before


@pytest.mark.parametrize("bomb", ["picture", "header", "depth"])
def test_h11_m8_a_bomb_is_refused_before_it_is_unpacked(rig, bomb):
    clip, depth, code = rig.shot / "clip.mp4", None, "invalid_video"
    if bomb == "picture":
        clip = video_bomb(rig.root / "bomb.mov", 16384, 16384)
    elif bomb == "header":
        clip = video_bomb(rig.root / "bomb.mov", 60_000, 60_000, 10)
    else:
        depth, code = npz_bomb(rig.root / "bomb.npz"), "invalid_depth"
    assert (clip if depth is None else depth).stat().st_size < 70_000
    failed = reconstruct(rig, clip, depth, name="bomb")
    assert (failed.state, failed.error_code) == (JobState.FAILED, code)
    [worker] = rig.server.children()
    assert psutil.Process(worker.pid).memory_info().rss < GB


@pytest.mark.parametrize("suffix", [".png", ".npz", ".exr"])
def test_h11_m8_depth_that_claims_more_than_the_server_gives_is_refused(rig, suffix):
    """Each is within what the command line reads."""
    path, side = rig.root / f"large{suffix}", 8500
    if suffix == ".png":
        cv2.imwrite(str(path), np.zeros((side, side), np.uint16))
    elif suffix == ".exr":
        write_exr(path, np.zeros((side, side), np.float32))
    else:
        np.savez_compressed(path, depth=np.zeros((1, side, side), np.float16))
    with rig.client() as client:
        blobs = client.upload(rig.shot / "clip.mp4"), client.upload(path)
        source = Source(blobs[0], "clip.mp4", DepthFiles(blobs[1:2], name=f"depth{suffix}"))
        rig.n_jobs += 1
        info = client.submit(Reconstruct(source), key=f"key {rig.n_jobs}")
        rig.acknowledged.add(info.job_id)
        failed = rig.ended(client, info.job_id)
    assert (failed.state, failed.error_code) == (JobState.FAILED, "invalid_depth")
    assert f"{side}x{side} pixels" in failed.error_text
    assert str(ServerSettings().picture_pixels) in failed.error_text
    assert str(rig.root) not in failed.error_text


@pytest.mark.skipif(sys.platform != "linux", reason="the canary is watched by inotify")
def test_h2_m8_a_clip_that_names_other_files_shows_none_of_them(rig, tmp_path):
    """Neither another artist's video on the server's disk nor an address in its network."""
    frames = np.zeros((N_FRAMES, SIZE[1], SIZE[0], 3), np.uint8)
    with watched(tmp_path / "private", frames) as watch:
        for number, kind in enumerate(("hls", "dash", "concat", "imf", "ram")):
            suffix, text_for = REFERENCES[kind]
            for target in (f"file:{watch.canary}", watch.address):
                name = f"clip{suffix if number % 2 else '.mp4'}"
                failed = reconstruct(rig, rig.file(text_for(target).encode()), name=name)
                assert (failed.state, failed.error_code) == (JobState.FAILED, "invalid_video")
                assert failed.error_text.startswith(f"{name} is ")
                assert failed.error_text.endswith("names other files; send the video itself")
        movie = reference_movie(tmp_path / "clip.mov", frames, f"file://{watch.canary}")
        assert "is a reference movie" in reconstruct(rig, movie, name="clip.mov").error_text
        assert not watch.was_opened()
        assert not watch.was_called()


def test_m8_a_job_that_asks_for_more_pixels_than_the_server_makes_is_refused(rig):
    with pytest.raises(InvalidArgument, match="8192 x 8192 x 49 frames") as refusal:
        reconstruct(rig, video(rig, 49, SIZE), None, name="huge", width=8192, height=8192)
    assert refusal.value.facts["field"] == "source"
