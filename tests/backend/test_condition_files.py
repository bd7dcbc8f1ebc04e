"""A shot's conditions are written while the engine works on them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from backend.worker.condition_files import written_meanwhile
from backend.worker.messages import Run
from backend.worker.worker import JobCancelled, JobContext
from ex4d.camera.presets import preset_path
from ex4d.camera.trajectory import Trajectory
from ex4d.conditions.render import Conditions
from ex4d.errors import InputError, OutputError
from ex4d.video.reader import read_clip
from tests.ex4d.cli.conftest import make_shot

NAMES = {"color.mp4", "mask.mp4", "camera.npz"}


@pytest.fixture
def link():
    return SimpleNamespace(cancelled=set(), shown=set(), send=lambda report: None)


@pytest.fixture
def given(tmp_path, link):
    """What written_meanwhile takes: 6 frames."""
    scratch = tmp_path / "data" / "jobs" / "scratch"
    scratch.mkdir(parents=True)
    context = JobContext(Run("a", None, {}, str(scratch)), link)
    clip = read_clip(make_shot(tmp_path, 6, (64, 48)) / "clip.mp4")
    frames = np.random.default_rng(0).integers(0, 256, (6, 48, 64, 3), dtype=np.uint8)
    lens = np.tile(np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]]), (6, 1, 1))
    trajectory = Trajectory(preset_path("30", 6, 4.0), lens, (64, 48))
    return context, Conditions(frames, frames[..., 0] > 99, None), trajectory, clip


def test_all_files_are_there_at_the_end(given):
    with written_meanwhile(*given):
        pass
    assert {path.name for path in given[0].scratch.iterdir()} == NAMES


def test_the_bodys_error_stops_the_writing_and_is_the_one_that_is_raised(given):
    with pytest.raises(InputError, match="of the engine"), written_meanwhile(*given):
        raise InputError("of the engine")


def test_what_cannot_be_written_fails_the_job(given):
    (given[0].scratch / "color_shot.mp4").mkdir()
    with pytest.raises(OutputError, match=r"color_shot\.mp4"), written_meanwhile(*given):
        pass


def test_a_cancelled_job_writes_no_more(given, link):
    link.cancelled.add("a")
    with pytest.raises(JobCancelled), written_meanwhile(*given):
        pass
    assert not any(given[0].scratch.iterdir())
