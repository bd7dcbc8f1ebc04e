"""masks from the command line: what is said, what is refused, and what survives."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from ex4d.training.dataset import read_dataset
from tests.ex4d.depth.estimators.tiny import write_models
from tests.ex4d.training.scenes import write_clip

from .conftest import INTERRUPTIBLE, ROOT, Answer
from .test_bad_input import one_line, tree

if TYPE_CHECKING:
    from pathlib import Path

SMALL = {"width": 64, "height": 64, "num_frames": 5, "workers": 1}


def flags_of(folder: Path, changes: dict[str, object]) -> list[str]:
    paths = {"input_dir": folder / "videos", "output_dir": folder / "out"}
    flags = {**paths, **SMALL, **changes}
    given = {name: value for name, value in flags.items() if value is not None}
    return [f"--{name}" if value is True else f"--{name}={value}" for name, value in given.items()]


@pytest.fixture
def masks(ex4d, tmp_path):
    """A function that runs masks on `tmp_path / "videos"`, into `tmp_path / "out"`."""

    def run(**changes: object) -> Answer:
        return ex4d("masks", *flags_of(tmp_path, changes))

    return run


@pytest.fixture
def videos(tmp_path) -> Path:
    write_clip(tmp_path / "videos", "walk", n_frames=10)
    return tmp_path / "videos"


@pytest.fixture
def start(tmp_path):
    """A function that starts masks on 12 videos in two processes of its own, and waits until two
    clips are there."""
    for number in range(12):
        write_clip(tmp_path / "videos", f"{number:02}", n_frames=10, seed=number)
    started = []

    def begin() -> subprocess.Popen:
        flags = flags_of(tmp_path, {"workers": 2})
        command = [sys.executable, "-c", INTERRUPTIBLE, "masks", *flags]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, text=True, cwd=ROOT, **pipes))
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("out/clips/[!.]*"))) < 2:
            assert started[0].poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return started[0]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def test_it_says_what_it_did_and_where_to_look(masks, videos, tmp_path):
    (videos / "other.mp4").touch()
    answer = masks()
    out = tmp_path / "out"
    assert (answer.exit_code, answer.err) == (0, "")
    assert answer.out.splitlines() == [
        "tracker   OpenCV's DIS optical flow, Apache-2.0",
        f"clips     2 made, 0 were there: {out / 'clips'}",
        f"left out  1, with reasons: {out / 'rejected.jsonl'}",
        f"look at   the contact sheets in {out / 'sheets'}",
    ]


def test_masks_are_as_many_as_asked_for(masks, videos, tmp_path):
    assert masks(masks="tracking=2,rendering=1").exit_code == 0
    for clip in read_dataset(tmp_path / "out").clips:
        assert [mask.kind for mask in clip.masks] == ["rendering", "tracking", "tracking"]


def test_depth_may_lie_in_a_folder_of_its_own(masks, videos, tmp_path):
    (tmp_path / "depth").mkdir()
    (videos / "walk.npz").rename(tmp_path / "depth" / "walk.npz")
    assert masks(depth_dir=tmp_path / "depth").exit_code == 0


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_models(folder)
    return folder


def test_an_estimator_gives_the_depth_that_no_file_does(masks, videos, tmp_path, models):
    """Each clip's is what the estimator says of the clip, so its masks are other ones."""
    write_clip(videos, "run", n_frames=5, seed=2)
    (videos / "run.npz").unlink()
    answer = masks(estimator="depth-anything", models=models)
    assert (answer.exit_code, answer.err) == (0, "")
    depth = "Depth Anything V2 Small, Apache-2.0, where there is no depth file"
    assert answer.out.splitlines()[1] == f"depth     {depth}"
    clips = read_dataset(tmp_path / "out").clips
    assert [clip.depth for clip in clips] == ["depth-anything", "walk.npz", "walk.npz"]


def test_damaged_weights_of_an_estimator_end_the_run(masks, videos, models, tmp_path):
    (videos / "walk.npz").unlink()
    folder = tmp_path / "models"
    shutil.copytree(models, folder)
    weights = folder / "Depth-Anything-V2-Small-hf" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    one_line(masks(estimator="depth-anything", models=folder), weights.parent)


FLAGS = {
    "width": ({"width": 100}, ["--width is 100", "multiple of 16"]),
    "height": ({"height": 32}, ["--height is 32", "64 to 2048"]),
    "num_frames": ({"num_frames": 48}, ["--num_frames is 48", "5, 9, 13"]),
    "stride": ({"stride": 0}, ["--stride is 0"]),
    "workers": ({"workers": 0}, ["--workers is 0"]),
    "kind": ({"masks": "stencil=1"}, ["'stencil=1'", "rendering, reprojection, tracking"]),
    "count": ({"masks": "rendering=-1"}, ["'rendering=-1'"]),
    "twice": ({"masks": "rendering=1,rendering=2"}, ["'rendering=2'", "once"]),
    "none": ({"masks": "rendering=0"}, ["asks for no mask"]),
    "tracker": ({"tracker": "lk"}, ["'lk'", "dis", "cotracker3"]),
    "estimator": ({"estimator": "midas"}, ["'midas'", "moge"]),
    "paid": (
        {"estimator": "depth-pro", "commercial": True},
        ["Depth Pro", "research licence", "moge"],
    ),
    "tracker_paid": ({"tracker": "cotracker3", "commercial": True}, ["CC-BY-NC", "--commercial"]),
    "depth_dir": ({"depth_dir": "not_there"}, ["there is no folder not_there"]),
    "input_dir": ({"input_dir": "not_there"}, ["there is no folder not_there"]),
}


@pytest.mark.parametrize("kind", FLAGS)
def test_a_wrong_flag_is_named(masks, videos, tmp_path, kind):
    changes, words = FLAGS[kind]
    before = tree(tmp_path)
    one_line(masks(**changes), *words)
    assert tree(tmp_path) == before


def test_a_folder_without_videos_is_named(masks, tmp_path):
    (tmp_path / "videos").mkdir()
    one_line(masks(), "there are no videos in", tmp_path / "videos")
    assert not (tmp_path / "out").exists()


def test_videos_none_of_which_can_be_used_are_said_with_a_reason(masks, videos):
    (videos / "walk.npz").unlink()
    one_line(masks(), "no video gave a clip", "walk.mp4: there is no depth for it")


def test_a_folder_of_other_settings_is_said_and_stays(masks, videos, tmp_path):
    assert masks().exit_code == 0
    before = tree(tmp_path)
    one_line(masks(height=80), tmp_path / "out", "height is 64 there, and 80 was asked for")
    assert tree(tmp_path) == before


def test_an_output_folder_below_a_file_is_named(masks, videos, tmp_path):
    (tmp_path / "file").touch()
    one_line(masks(output_dir=tmp_path / "file" / "out"), tmp_path / "file" / "out", "is a file")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_keeps_whole_clips_and_nothing_else(start, tmp_path, number):
    run = start()
    run.send_signal(number)
    _, err = run.communicate(timeout=60)
    assert (run.returncode, err.strip()) == (
        2,
        "ex4d masks: stopped; nothing was left half-written",
    )
    read_dataset(tmp_path / "out")
    assert list(tmp_path.glob("out/clips/.*")) == []


def test_a_run_that_is_killed_loses_no_clip_and_is_continued(start, masks, tmp_path):
    run = start()
    workers = psutil.Process(run.pid).children(recursive=True)
    run.kill()
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    before = {clip.name: clip for clip in read_dataset(tmp_path / "out").clips}
    assert 2 <= len(before) < 24
    answer = masks(workers=2)
    assert answer.exit_code == 0
    assert f"{24 - len(before)} made, {len(before)} were there" in answer.out
    after = {clip.name: clip for clip in read_dataset(tmp_path / "out").clips}
    assert len(after) == 24
    assert {name: after[name] for name in before} == before
    assert list(tmp_path.glob("out/clips/.*")) == []


def test_a_full_disk_is_said_and_whole_clips_stay(videos, tmp_path):
    """Room for the first clip, not for all."""
    disk = tmp_path / "out"
    disk.mkdir()
    for number in range(6):
        write_clip(videos, f"w{number}", n_frames=10, seed=number)
    script = (
        f'mount -t tmpfs -o size=400k none "{disk}" && "$@"; code=$?; '
        f'ls -A "{disk}"/clips; exit $code'
    )
    prefix = ("unshare", "-rm", "sh", "-c", script, "sh")
    command = [*prefix, sys.executable, "-m", "ex4d", "masks", *flags_of(tmp_path, {})]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    except FileNotFoundError:
        pytest.skip("there is no unshare here to mount a small disk with")
    if "unshare" in run.stderr or "mount" in run.stderr:
        pytest.skip("a small disk cannot be mounted here")
    one_line(Answer(run.returncode, run.stdout, run.stderr), disk, "the disk is full")
    _, *clips = run.stdout.splitlines()
    assert clips
    assert not any(name.startswith(".") for name in clips)


def test_python_m_ex4d_starts_its_workers_too(videos, tmp_path):
    flags = flags_of(tmp_path, {"workers": 2})
    write_clip(videos, "more", n_frames=5)
    command = [sys.executable, "-m", "ex4d", "masks", *flags]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert (run.returncode, run.stderr) == (0, "")
    assert "3 made" in run.stdout
