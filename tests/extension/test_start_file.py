"""Who begins as everyone begins, in Blender's own start file, sees the clip at once."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from tests.extension.drawn import draw
from tests.extension.pictures import workbench_picture
from tests.extension.rig import SHOT

pytestmark = pytest.mark.blender


@pytest.fixture
def begun(addon, server):
    """Blender's unchanged start file."""
    addon.bpy.ops.wm.read_homefile(use_factory_startup=True)
    assert {item.name for item in addon.bpy.context.scene.objects} == {"Cube", "Light", "Camera"}
    addon.use(server)
    return addon


def test_the_first_result_in_the_start_file_shows_the_clip(begun, tmp_path):
    av = pytest.importorskip("av")
    begun.reconstruct(num_frames=2)
    bpy, scene = begun.bpy, begun.bpy.context.scene
    assert scene.camera == begun.shot.camera
    cube = scene.objects["Cube"]
    assert cube.hide_render
    assert cube.hide_get()
    with av.open(str(SHOT / "input.mp4")) as container:
        plate = next(container.decode(video=0)).to_ndarray(format="rgb24")
    seen = workbench_picture(bpy, tmp_path / "view.png")
    assert np.abs(seen - plate).mean() < 8  # 90 with the cube around the camera
    for area in bpy.context.window.screen.areas:
        if area.type == "VIEW_3D":
            assert area.spaces.active.region_3d.view_perspective == "CAMERA"
            assert area.spaces.active.shading.color_type == "TEXTURE"


@pytest.mark.parametrize("change", ["moved", "modelled", "keyed", "lamp", "child"])
def test_start_objects_that_were_worked_with_are_work(begun, change):
    bpy, scene = begun.bpy, begun.bpy.context.scene
    project = begun.part("project.folders")
    assert not project.holds_work(scene)
    cube = scene.objects["Cube"]
    if change == "moved":
        cube.location.x = 1
    elif change == "modelled":
        cube.data.vertices[0].co.x = 3
    elif change == "keyed":
        scene.objects["Camera"].keyframe_insert("location", frame=1)
    elif change == "lamp":
        scene.objects["Light"].location.z = 9
    else:
        item = bpy.data.objects.new("Child", None)
        scene.collection.objects.link(item)
        item.parent = cube
    assert project.holds_work(scene)
    begun.reconstruct(num_frames=2)
    assert not cube.hide_get()
    assert not cube.hide_render


def test_a_camera_that_nobody_looks_through_can_be_looked_through(begun):
    bpy, scene = begun.bpy, begun.bpy.context.scene
    scene.objects["Cube"].location.x = 1  # work
    begun.reconstruct(num_frames=2)
    before = scene.camera
    assert before == scene.objects["Camera"]
    assert "ex4d.look_through" in draw(begun, "camera").operators
    assert bpy.ops.ex4d.look_through() == {"FINISHED"}
    assert "ex4d.look_through" not in draw(begun, "camera").operators
    assert scene.camera == before
    views = [area for area in bpy.context.window.screen.areas if area.type == "VIEW_3D"]
    assert all(area.spaces.active.camera == begun.shot.camera for area in views)


def test_the_gear_of_the_server_panel_opens_this_add_on(addon):
    button = draw(addon, "server").operators["preferences.addon_show"]
    assert button.module == addon.module
    with contextlib.suppress(RuntimeError):  # without a window it opens none
        addon.bpy.ops.preferences.addon_show(module=button.module)
    name = addon.bpy.context.window_manager.addon_search
    assert name == "EX-4D"


def test_26_what_lies_outside_of_the_clip_shows_as_holes_do_until_the_artist_removes_it(begun):
    begun.reconstruct(num_frames=2)
    data = begun.shot.camera.data
    (behind,) = data.background_images
    assert data.show_background_images
    assert (behind.display_depth, behind.alpha) == ("BACK", 1)
    assert list(behind.image.pixels[:3]) == pytest.approx([1, 0, 0.8], abs=0.01)
    data.background_images.clear()
    begun.reconstruct(num_frames=2)
    assert len(data.background_images) == 0
