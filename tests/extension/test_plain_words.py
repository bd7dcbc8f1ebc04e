"""One plain sentence that names the thing, whatever goes wrong; names that tell takes apart."""

from __future__ import annotations

import os
import shutil
from types import SimpleNamespace

import pytest

from tests.extension.drawn import draw
from tests.extension.rig import SHOT, strips

pytestmark = pytest.mark.blender


@pytest.fixture(scope="module")
def said_by(extension):
    """What an operator refuses with."""

    def refusal(operator, **options) -> str:
        with pytest.raises(RuntimeError) as caught:
            operator(**options)
        return str(caught.value)

    return refusal


def test_15_a_picture_larger_than_the_server_makes_is_refused_before_it_is_sent(
    addon, server, said_by
):
    addon.use(server)
    addon.reconstruct(num_frames=2)
    render = addon.bpy.context.scene.render
    render.resolution_x, render.resolution_y = 16384, 9216
    said = said_by(addon.bpy.ops.ex4d.render, wait=True)
    assert "16384x9216 pixels; the server makes pictures of at most 8192" in said
    assert "`" not in said


def test_15_what_a_servers_schema_refuses_reaches_the_panel_in_plain_words(addon, server):
    addon.use(server)
    addon.reconstruct(num_frames=2)
    requests = addon.part("jobs.requests")
    source = addon.part("project.clip_source").mesh_source(addon.shot.mesh)
    wrong = SimpleNamespace(**{**source.__dict__, "fov_deg": 0.2, "solved_camera": ""})
    request = requests.ReconstructRequest("wrong", source, addon.shot.folder, "1")
    object.__setattr__(request, "source", wrong)
    active = addon.part("jobs.active_request").ActiveRequest(
        request, addon.session.connection, lambda: 0.0
    )
    addon.session.runner._active[request.key] = active
    addon.until(lambda: active.task.over, "a refusal")
    assert active.task.text == "The job cannot be accepted: source fov deg must be at least 1."


def test_15_a_lens_that_cannot_be_is_refused_with_its_numbers(addon, server, said_by):
    addon.use(server)
    addon.choose_clip(2)
    addon.shot.lens_kind, addon.shot.lens_mm = "MM", 5000
    said = said_by(addon.bpy.ops.ex4d.reconstruct)
    assert "A lens of 5000 mm on a sensor of 36 mm sees 0.413 degrees; from 1 to 175" in said


@pytest.mark.skipif(os.name != "posix", reason="there is no such folder")
def test_15_a_folder_that_cannot_be_written_to_is_named_in_a_sentence(addon, server, said_by):
    addon.use(server)
    addon.choose_clip(2)
    addon.shot.folder = "/proc/ex4d"
    said = said_by(addon.bpy.ops.ex4d.reconstruct)
    assert "The folder /proc/ex4d cannot be written to" in said
    assert "choose another Folder" in said
    assert "[Errno" not in said


def test_15_the_systems_errors_are_sentences(addon):
    words = addon.part("words")
    error = PermissionError(13, "Permission denied", "/a/b")
    assert words.sentence_of(error) == "/a/b cannot be used: permission denied."
    full = OSError(28, "No space left on device")
    assert words.sentence_of(full) == "The system refuses: no space left on device."
    assert words.sentence_of(ValueError()) == "That went wrong (ValueError)."


def test_15_a_single_picture_and_what_is_no_clip_are_named(addon, tmp_path):
    readiness, shot = addon.part("ui.readiness"), addon.shot
    picture = addon.bpy.data.images.new("x", 64, 48)
    picture.filepath_raw, picture.file_format = str(tmp_path / "plate_0001.png"), "PNG"
    picture.save()
    shot.clip = str(tmp_path / "plate_0001.png")
    said = "plate_0001.png is a single picture; a clip needs 2 or more."
    assert readiness.why_no_clip(shot) == said
    shot.clip = __file__
    said = "test_plain_words.py is no video that Blender can read."
    assert readiness.why_no_clip(shot) == said


def test_15_long_names_of_clips_keep_what_tells_takes_apart(addon, server, tmp_path):
    addon.use(server)
    clip = tmp_path / f"{'映像' * 35}é.mp4"
    shutil.copy(SHOT / "input.mp4", clip)
    shot = addon.shot
    shot.clip, shot.depth.file, shot.num_frames = str(clip), str(SHOT / "depth.npz"), 2
    shot.grid_stride = "4"
    assert addon.bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}
    for _ in range(2):
        assert addon.bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    assert addon.bpy.ops.ex4d.take_conditions() == {"FINISHED"}
    names = [strip.name for strip in strips(addon.bpy.context.scene)]
    endings = ("take 1", "take 2", "take 2 colour", "take 2 mask")
    assert len(names) == len(endings)
    for name, ending in zip(names, endings, strict=True):
        assert name.endswith(ending)
        assert len(name.encode()) <= 61
        assert name.startswith("映像")
    assert shot.mesh.name.endswith(" Mesh")
    assert shot.camera.name.endswith(" Shot Camera")


@pytest.mark.parametrize("ending", ["", " take 7", " take 12 colour"])
@pytest.mark.parametrize("name", ["a" * 70, "é" * 40, "映" * 30, "🎬" * 20, "short"])
def test_15_a_name_fits_its_bytes_with_its_ending(addon, name, ending):
    fitted = addon.part("words").fitting_name(name, ending)
    assert fitted.endswith(ending)
    assert len(fitted.encode()) <= 61
    assert fitted == name + ending or "…" in fitted


def test_15_what_takes_do_not_follow_is_said_in_the_panel(addon):
    scene = addon.bpy.context.scene
    assert "ignored" not in draw(addon, "render").text
    scene.frame_step = 2
    said = "The frame step of 2 is ignored: a take has whole pictures, one for each frame"
    assert said in draw(addon, "render").text
    scene.render.use_border = scene.use_preview_range = True
    said = "The render region, the preview range and the frame step of 2 are ignored"
    assert said in draw(addon, "render").text


def test_37_texts_of_the_server_name_fields_of_the_panel_and_no_flags(addon):
    told = addon.part("words").panel_words
    text = "all depth is below 1: for shares of a range say --depth_near and --depth_far"
    assert told(text) == "all depth is below 1: for shares of a range say Near and Far"
    assert told("say --fov\nTraceback") == "say Lens"
    assert told("give --keep_every 2") == "give keep every 2"
