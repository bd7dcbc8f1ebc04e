"""What a take has become by now is seen in the panel while it runs, and goes with its end."""

from __future__ import annotations

import importlib
import os
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest

from tests.extension.conftest import ROOT
from tests.extension.drawn import draw
from tests.extension.pictures import pixels

pytestmark = pytest.mark.blender

SOME = 5  # frames
WRITE_MODELS = "import pathlib, sys; from tests.ex4d.engines.wan import tiny; "
WRITE_MODELS += "tiny.write_models(pathlib.Path(sys.argv[1]))"


@pytest.fixture(scope="module")
def final_server(start_server, tmp_path_factory):
    """A server that finds the diffusion engine's tiny models, written by its own Python."""
    models = tmp_path_factory.mktemp("models") / "models"
    python = os.path.abspath(os.environ.get("EX4D_PYTHON") or ROOT / ".venv/bin/python")
    command = [python, "-c", WRITE_MODELS, models]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    return start_server(models=models)


@pytest.fixture
def final_shot(addon, final_server, tmp_path):
    addon.use(final_server)
    addon.bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    addon.shot.grid_stride = "4"
    addon.reconstruct(num_frames=SOME)
    addon.shot.quality, addon.shot.steps = "FINAL", 12
    return addon


def picture_of(icons, name):
    """A preview's pixels [H, W, 3], 0..255."""
    width, height = icons[name].image_size
    pixels = np.array(icons[name].image_pixels_float).reshape(height, width, 4)
    return 255 * pixels[::-1, :, :3]


def test_7_pictures_come_while_a_take_runs_and_go_with_its_end(final_shot, tmp_path):
    bpy, previews = final_shot.bpy, final_shot.session.previews
    images = len(bpy.data.images)
    assert bpy.ops.ex4d.render() == {"FINISHED"}
    task = final_shot.tasks[-1]
    final_shot.until(lambda: task.preview is not None, "a picture")
    strip = task.preview
    assert strip.frames == 2  # latents of 5 frames
    assert previews.follow([task], 1.0)
    assert len(draw(final_shot, "render").icons) == strip.frames
    assert len(bpy.data.images) == images
    check_pictures(previews, task, pixels_of(bpy, strip, tmp_path / "strip.jpg"))
    final_shot.until(lambda: task.preview is not strip, "the next picture")
    assert not previews.follow([task], 1.4)  # at most twice a second
    assert previews.follow([task], 1.5)
    final_shot.until(lambda: task.over, "the take's end")
    assert task.state.value == "done", task.text
    assert previews.follow([task], 1.6)
    assert draw(final_shot, "render").icons == []


@pytest.mark.parametrize("damage", [lambda data: b"no picture", lambda data: data[:40], None])
def test_7_what_is_no_picture_costs_nothing_else(addon, tmp_path, damage):
    """The timer goes on, and the next picture is shown."""
    previews, tasks = addon.session.previews, addon.part("jobs.tasks")
    name = tmp_path / "good.jpg"
    image = addon.bpy.data.images.new("good", 32, 16)
    image.file_format, image.filepath_raw = "JPEG", str(name)
    image.save()
    good, strip = name.read_bytes(), previewed(addon)
    task = tasks.Task(SimpleNamespace(key="key"), tasks.TaskState.ACTIVE)
    task.preview = strip("job", 32, 16, 2, damage(good) if damage else good)
    assert previews.follow([task], 1.0)
    assert len(previews.icons("key")) == (0 if damage else 2)
    task.preview = strip("job", 32, 16, 2, good)
    assert previews.follow([task], 2.0)
    assert len(previews.icons("key")) == 2
    assert previews.follow([], 3.0)


def previewed(addon):
    """The news of a picture, as the client tells them."""
    return importlib.import_module(f"{addon.module}.protocol.client.news").Previewed


def pixels_of(bpy, strip, path):
    path.write_bytes(strip.data)
    return pixels(bpy, path)


def check_pictures(previews, task, whole):
    """Each icon shows its part of the strip."""
    width = whole.shape[1] // task.preview.frames
    for place in range(task.preview.frames):
        shown = picture_of(previews._icons, f"{task.request.key}_{place}")
        part = whole[:, place * width : (place + 1) * width]
        assert shown.shape == part.shape
        down, right = len(part) // 8, width // 8
        off = (shown - part)[: 8 * down, : 8 * right].reshape(down, 8, right, 8, 3).mean((1, 3))
        assert np.abs(off).mean() < 3  # it was written as a JPEG again, which noise shows
