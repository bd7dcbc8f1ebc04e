"""Takes in the list and in the sequencer: nothing of the artist's is changed, nothing is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.extension.drawn import draw
from tests.extension.rig import SHOT, strips

pytestmark = pytest.mark.blender

SOME = 3  # frames
FILES = ["camera.npz", "color.mp4", "mask.mp4", "result.mp4", "summary.json", "take.json"]


@pytest.fixture
def shot(with_mesh):
    return with_mesh


def render(addon, n=1):
    for _ in range(n):
        assert addon.bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    return addon.shot.takes[-1]


def folder_of(addon, take):
    return Path(addon.bpy.path.abspath(take.folder))


def strip_named(addon, name):
    return next(strip for strip in strips(addon.bpy.context.scene) if strip.name == name)


def test_18_a_render_shows_the_3d_scene_after_a_take_as_before(shot):
    scene = shot.bpy.context.scene
    take = render(shot)
    assert not scene.render.use_sequencer
    assert "Sequencer in Output" in take.note


def test_28_takes_come_in_above_the_older_ones_and_not_selected(shot):
    render(shot, 3)
    found = sorted(strips(shot.bpy.context.scene), key=lambda strip: strip.channel)
    assert [strip.name for strip in found] == [f"input take {n}" for n in (1, 2, 3)]
    assert not any(strip.select for strip in found)
    assert shot.bpy.context.scene.sequence_editor.active_strip is None


def test_28_the_take_that_is_chosen_in_the_list_is_seen(shot):
    render(shot, 3)
    scene = shot.bpy.context.scene
    shot.shot.active_take = 1
    muted = {strip.name: strip.mute for strip in strips(scene)}
    assert muted == {"input take 1": False, "input take 2": False, "input take 3": True}
    assert scene.sequence_editor.active_strip.name == "input take 2"
    assert [strip.name for strip in strips(scene) if strip.select] == ["input take 2"]
    shot.shot.active_take = 2
    assert not any(strip.mute for strip in strips(scene))


def test_8_conditions_lie_above_their_take_wherever_that_is_now(shot):
    take = render(shot, 2)
    own = strip_named(shot, take.name)
    own.channel, own.frame_start = 7, 101
    assert shot.bpy.ops.ex4d.take_conditions() == {"FINISHED"}
    compat = shot.part("compat")
    over = [strip for strip in strips(shot.bpy.context.scene) if "ex4d_condition" in strip]
    assert sorted(strip.channel for strip in over) == [8, 9]
    assert {compat.strip_range(strip)[0] for strip in over} == {101}


def test_8_strips_inside_of_a_meta_strip_are_found_and_removed(shot):
    take = render(shot)
    folder, scene = folder_of(shot, take), shot.bpy.context.scene
    meta = shot.part("compat").strips_of(scene).new_meta(name="meta", channel=4, frame_start=1)
    strip_named(shot, take.name).move_to_meta(meta)
    assert shot.bpy.ops.ex4d.take_conditions() == {"FINISHED"}
    held = shot.part("compat").strips_held(meta)
    assert len(held) == 3
    assert shot.bpy.ops.ex4d.take_remove(delete_files=True) == {"FINISHED"}
    assert len(held) == 0
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("user", ["strip", "image", "copied scene"])
def test_8_files_that_something_still_shows_stay(shot, user):
    take = render(shot)
    bpy, folder = shot.bpy, folder_of(shot, take)
    if user == "strip":
        made = shot.part("compat").strips_of(bpy.context.scene)
        made.new_movie(name="mine", filepath=str(folder / "mask.mp4"), channel=9, frame_start=1)
    elif user == "image":
        bpy.data.images.load(str(folder / "result.mp4"))
    else:
        bpy.context.scene.copy()
    assert bpy.ops.ex4d.take_remove(delete_files=True) == {"FINISHED"}
    assert sorted(path.name for path in folder.iterdir()) == FILES
    for scene in bpy.data.scenes:
        for strip in strips(scene):
            assert Path(bpy.path.abspath(strip.filepath)).is_file()
    kept = {"strip": ["mine"], "image": [], "copied scene": []}[user]
    assert [strip.name for strip in strips(bpy.context.scene)] == kept


def test_32_a_removed_take_keeps_its_files_and_can_be_taken_in_again(shot, tmp_path):
    take = render(shot)
    bpy, folder, coverage = shot.bpy, folder_of(shot, take), take.coverage
    assert bpy.ops.ex4d.take_remove() == {"FINISHED"}
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert strips(bpy.context.scene) == []
    moved = folder.rename(tmp_path / "elsewhere")
    assert bpy.ops.ex4d.take_in(directory=str(moved)) == {"FINISHED"}
    again = shot.shot.takes[-1]
    assert (again.name, again.coverage) == ("input take 1", coverage)
    assert len(strips(bpy.context.scene)) == 1
    with pytest.raises(RuntimeError, match="in the list already"):
        bpy.ops.ex4d.take_in(directory=str(moved))
    with pytest.raises(RuntimeError, match="There is no take in"):
        bpy.ops.ex4d.take_in(directory=str(tmp_path))


@pytest.mark.parametrize("text", ["[]", '{"kind": "render", "source": "clip.mp4"}'])
def test_settings_of_a_take_that_cannot_be_read_are_refused_in_a_sentence(shot, text):
    render(shot).request = text
    with pytest.raises(RuntimeError, match="input take 1: its settings cannot be read"):
        shot.bpy.ops.ex4d.take_reuse()


def test_32_what_an_undo_takes_away_with_the_step_before_comes_back(shot):
    take = render(shot)
    scene, arrived = shot.bpy.context.scene, shot.session.placement.arrived
    name = take.name
    compat = shot.part("compat")

    def undo():
        compat.strips_of(scene).remove(strip_named(shot, name))
        shot.shot.takes.remove(0)
        for handler in shot.bpy.app.handlers.undo_post:
            handler(scene)

    undo()
    assert [take.name for take in shot.shot.takes] == [name]
    assert [strip.name for strip in strips(scene)] == [name]
    arrived.bring_back()
    assert len(shot.shot.takes) == 1
    shot.bpy.ops.ex4d.take_remove()
    arrived.bring_back()
    assert len(shot.shot.takes) == 0  # that was the artist's own wish


def test_29_the_take_of_a_second_scene_is_in_its_own_sequencer(shot, server):
    bpy = shot.bpy
    first = bpy.context.scene
    render(shot)
    second = bpy.data.scenes.new("Second")
    bpy.context.window.scene = second
    shot.shot.grid_stride = "4"
    shot.choose_clip(SOME)
    shot.reconstruct(num_frames=SOME)
    take = render(shot)
    assert len(strips(first)) == 1
    assert len(strips(second)) == 1
    if hasattr(bpy.context.workspace, "sequencer_scene"):
        assert "the sequencer shows Scene" in take.note
    assert "take_remove" in str(draw(shot, "takes").operators)


def path_of(addon, take):
    with np.load(folder_of(addon, take) / "camera.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def test_19_re_use_brings_back_the_move_and_the_mesh(shot, tmp_path):
    bpy, settings = shot.bpy, shot.shot
    mesh, camera = settings.mesh, settings.camera
    for frame, lens in ((1, 40.0), (SOME, 30.0)):
        camera.data.lens = lens
        camera.data.keyframe_insert("lens", frame=frame)
    assert bpy.ops.ex4d.apply_preset() == {"FINISHED"}
    first = path_of(shot, render(shot))
    assert bpy.ops.ex4d.take_reuse() == {"FINISHED"}
    assert settings.camera == camera  # it still moves so
    settings.preset = "zoom_out"
    assert bpy.ops.ex4d.apply_preset() == {"FINISHED"}
    keyed = path_of(shot, render(shot))
    other = tmp_path / "other.mp4"
    other.write_bytes((SHOT / "input.mp4").read_bytes())
    settings.clip = str(other)
    settings.num_frames = 2
    assert bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}
    assert settings.mesh != mesh
    bpy.context.scene.frame_set(2)
    settings.active_take = 0
    assert bpy.ops.ex4d.take_reuse() == {"FINISHED"}
    assert settings.mesh == mesh
    assert settings.camera != camera
    again = path_of(shot, render(shot))
    np.testing.assert_allclose(again["extrinsics"], first["extrinsics"], atol=1e-5)
    np.testing.assert_allclose(again["intrinsics"], first["intrinsics"], atol=1e-2)
    settings.camera = camera  # what was keyed since is as it was
    np.testing.assert_allclose(path_of(shot, render(shot))["extrinsics"], keyed["extrinsics"])


def test_19_a_take_whose_mesh_is_gone_renders_no_other_clip(shot):
    render(shot)
    shot.bpy.data.objects.remove(shot.shot.mesh)
    assert shot.bpy.ops.ex4d.take_reuse() == {"FINISHED"}
    assert shot.shot.mesh is None
    assert not shot.bpy.ops.ex4d.render.poll()


def frame_of(addon, path):
    """The first frame of a render of the strips, float [H, W, 3], 0 to 255."""
    bpy, render = addon.bpy, addon.bpy.context.scene.render
    render.image_settings.file_format, render.filepath = "PNG", str(path)
    render.use_sequencer, render.dither_intensity = True, 0
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(path), check_existing=False)
    shown = np.array(image.pixels[:]).reshape(image.size[1], image.size[0], 4)[..., :3] * 255
    bpy.data.images.remove(image)
    return shown


def test_13_a_take_shows_alike_in_every_view_that_is_chosen_before_and_after(shot, tmp_path):
    """The view is the artist's, and so are colours given by hand."""
    scene = shot.bpy.context.scene
    scene.camera, view = shot.shot.camera, scene.view_settings
    view.view_transform = "AgX"
    render(shot)
    own = strips(scene)[0]
    shown = {}
    for name in ("AgX", "Standard", "Filmic", "AgX"):
        view.view_transform = name
        shown[name] = frame_of(shot, tmp_path / f"{name}.png")
        assert view.view_transform == name
    assert shown["Standard"].std() > 20  # there is a picture
    for name in ("AgX", "Filmic"):
        assert np.abs(shown[name] - shown["Standard"]).mean() <= 1
    own.colorspace_settings.name = "Non-Color"
    view.view_transform = "Standard"
    shot.bpy.context.view_layer.update()
    assert own.colorspace_settings.name == "Non-Color"
