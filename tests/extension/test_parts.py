"""A mesh for each part of a clip and for each scene, through the panel's own operators."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.extension.drawn import draw
from tests.extension.rig import SHOT, strips

pytestmark = pytest.mark.blender

SOME = 4  # frames


def make(addon, *, start=0, num=SOME, **options):
    addon.shot.clip, addon.shot.depth.file = str(SHOT / "input.mp4"), str(SHOT / "depth.npz")
    addon.shot.start_frame, addon.shot.num_frames = start, num
    assert addon.bpy.ops.ex4d.reconstruct(wait=True, **options) == {"FINISHED"}
    return addon.shot.mesh


def shown_frames(addon, root, frames):
    """Which frame of the mesh's file is shown at each scene frame."""
    bpy, scene = addon.bpy, addon.bpy.context.scene
    path = bpy.path.abspath(root.modifiers["EX-4D Positions"].filepath)
    with open(path, "rb") as file:
        header = file.read(32)
        n_vertices = int(np.frombuffer(header, "<i4", 1, 16)[0])
        played = np.frombuffer(file.read(), "<f4").reshape(-1, n_vertices, 3)
    found = []
    for frame in frames:
        scene.frame_set(frame)
        mesh = root.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
        assert len(mesh.vertices) == n_vertices
        now = np.empty(n_vertices * 3, np.float32)
        mesh.vertices.foreach_get("co", now)
        found.append(int(np.abs(played - now.reshape(-1, 3)).max((1, 2)).argmin()))
    return found


def test_each_part_of_a_clip_has_a_mesh(saved):
    first = make(saved)
    second = make(saved, start=20, set_scene=False)
    assert first != second
    assert (first["ex4d_name"], second["ex4d_name"]) == ("input", "input 20-23")
    shorter = make(saved, num=2, set_scene=False)
    assert shorter not in (first, second)  # it has not all that the first shows
    assert shown_frames(saved, first, range(1, 5)) == [0, 1, 2, 3]


def test_the_same_frames_and_more_of_them_are_the_same_mesh(saved):
    first = make(saved)
    first.location, first.name = (1, 2, 3), "plate"
    assert make(saved, num=6, set_scene=False) == first
    assert tuple(first.location) == (1, 2, 3)
    assert first["ex4d_n_frames"] == 6
    assert shown_frames(saved, first, range(1, 7)) == list(range(6))


def test_two_parts_that_are_under_way_together_get_a_mesh_each(saved):
    for start in (0, 10):
        saved.choose_clip(SOME)
        saved.shot.start_frame = start
        assert saved.bpy.ops.ex4d.reconstruct(set_scene=False) == {"FINISHED"}
    saved.until(lambda: all(task.over for task in saved.tasks), "both")
    made = [o for o in saved.bpy.context.scene.objects if o.type == "MESH"]
    assert len(made) == 2
    assert len({item["ex4d_name"] for item in made}) == 2


def test_a_second_scene_leaves_the_first_alone(saved):
    bpy = saved.bpy
    first, scene = make(saved), bpy.context.scene
    second = bpy.data.scenes.new("two")
    second.frame_start, second.frame_end = 1001, 1004
    window = bpy.context.window_manager.windows[0]
    window.scene = second
    saved.shot.grid_stride = "4"
    other = make(saved, set_scene=False)
    assert other != first
    assert shown_frames(saved, other, range(1001, 1005)) == [0, 1, 2, 3]
    window.scene = scene
    assert shown_frames(saved, first, range(1, 5)) == [0, 1, 2, 3]
    assert bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    assert [int(strip.frame_start) for strip in strips(scene)] == [1]


def test_a_solved_camera_keeps_scale_parent_and_other_keys(saved):
    bpy, scene = saved.bpy, saved.bpy.context.scene
    camera = bpy.data.objects.new("tracked", bpy.data.cameras.new("tracked"))
    scene.collection.objects.link(camera)
    for frame, x in ((1, 0.0), (SOME, 1.0)):
        camera.location, camera.rotation_euler = (x, x * x, 1), (1.4, 0.1 * x, x)
        camera.keyframe_insert("location", frame=frame)
        camera.keyframe_insert("rotation_euler", frame=frame)
    saved.shot.solved_camera = camera
    mesh = make(saved, set_scene=False)
    stand = bpy.data.objects.new("set", None)
    scene.collection.objects.link(stand)
    stand.location = (0, 0, 5)
    mesh.parent, mesh.scale = stand, (3, 3, 3)
    for frame, hidden in ((1, False), (50, True)):
        mesh.hide_render = hidden
        mesh.keyframe_insert("hide_render", frame=frame)
    saved.shot.grid_stride = "2"
    assert make(saved, set_scene=False) == mesh
    assert (tuple(mesh.scale), mesh.parent) == ((3, 3, 3), stand)
    curves = saved.part("compat").fcurves_of(mesh)
    assert {len(c.keyframe_points) for c in curves if c.data_path == "hide_render"} == {2}
    for frame in (1, SOME):
        scene.frame_set(frame)
        way = mesh.matrix_world.translation - camera.matrix_world.translation
        assert tuple(way) == pytest.approx((0, 0, 5), abs=1e-4)
    saved.shot.solved_camera = None
    assert make(saved, set_scene=False) == mesh
    assert tuple(mesh.matrix_world.translation) == pytest.approx((0, 0, 5), abs=1e-5)
    assert (tuple(mesh.scale), mesh.parent) == ((3, 3, 3), stand)
    assert len(saved.part("compat").fcurves_of(mesh)) == 1


def test_edited_keys_of_a_solved_mesh_stay_and_that_is_said(saved):
    bpy, scene = saved.bpy, saved.bpy.context.scene
    camera = bpy.data.objects.new("tracked", bpy.data.cameras.new("tracked"))
    scene.collection.objects.link(camera)
    for frame, x in ((1, 2.0), (SOME, 3.0)):
        camera.location, camera.rotation_euler = (x, 1, 1), (1.4, 0, 0)
        camera.keyframe_insert("location", frame=frame)
    saved.shot.solved_camera = camera
    mesh = make(saved, set_scene=False)
    curves = saved.part("compat").fcurves_of
    for curve in curves(mesh):  # moved in time, as Blender's editors do: no edit
        for point in curve.keyframe_points:
            point.co[0] += 100
    make(saved, set_scene=False)
    assert {curve.keyframe_points[0].co[0] for curve in curves(mesh)} == {1}
    curves(mesh)[0].keyframe_points[1].co[1] = 7
    make(saved, set_scene=False)
    assert curves(mesh)[0].keyframe_points[1].co[1] == 7
    assert "keeps its keys" in saved.tasks[-1].text
    mesh.animation_data_clear()  # as the sentence says
    make(saved, set_scene=False)
    assert len(curves(mesh)) == 7
    assert saved.tasks[-1].text == ""


def test_the_new_camera_is_placed_with_a_mesh_that_stands_still(saved):
    mesh = make(saved)
    mesh.location, mesh.scale = (1, 2, 3), (2, 2, 2)
    saved.bpy.context.view_layer.update()
    path = saved.part("camera").sample_camera(
        saved.bpy.context.scene, saved.shot.camera, mesh, [1, SOME]
    )
    np.testing.assert_allclose(path.extrinsics, np.eye(4)[None].repeat(2, 0), atol=1e-5)


@pytest.mark.parametrize("solved_later", [False, True])
def test_the_new_camera_does_not_shake_with_a_solved_one(saved, solved_later):
    """It stands where the source's stood first, in the world."""
    if solved_later:
        make(saved, set_scene=False)
    bpy, scene = saved.bpy, saved.bpy.context.scene
    camera = bpy.data.objects.new("tracked", bpy.data.cameras.new("tracked"))
    scene.collection.objects.link(camera)
    for frame, x in ((1, 2.0), (SOME, 3.0)):
        camera.location, camera.rotation_euler = (x, 1, 1), (1.4, 0.1, 0.3 * x)
        camera.keyframe_insert("location", frame=frame)
        camera.keyframe_insert("rotation_euler", frame=frame)
    saved.shot.solved_camera = camera
    scene.frame_set(SOME)
    make(saved, set_scene=False)
    new = saved.shot.camera
    scene.frame_set(1)
    first = np.array(camera.matrix_world)
    for frame in (1, SOME):
        scene.frame_set(frame)
        np.testing.assert_allclose(np.array(new.matrix_world), first, atol=1e-5)


@pytest.mark.parametrize("scale", [0.01, 1, 10, 100])
@pytest.mark.parametrize("of_parent", [False, True])
def test_the_clip_range_follows_the_meshs_scale(saved, scale, of_parent):
    bpy = saved.bpy
    mesh, scaled = make(saved, num=2), saved.shot.mesh
    camera = next(o for o in mesh.children if o.type == "CAMERA")
    before = camera.data.clip_start, camera.data.clip_end
    if of_parent:
        scaled = bpy.data.objects.new("set", None)
        bpy.context.scene.collection.objects.link(scaled)
        mesh.parent = scaled
    scaled.scale = (scale,) * 3
    bpy.context.view_layer.update()
    for data in (camera.data, saved.shot.camera.data):
        now = data.evaluated_get(bpy.context.evaluated_depsgraph_get())
        assert now.clip_start == pytest.approx(before[0] * scale, rel=1e-4)
        assert now.clip_end == pytest.approx(before[1] * scale, rel=1e-4)
    corners = [math.hypot(*corner) for corner in mesh.bound_box]
    assert before[1] > max(corners)


def test_a_take_follows_the_markers(saved):
    bpy, scene = saved.bpy, saved.bpy.context.scene
    mesh, first = make(saved), saved.shot.camera
    second = bpy.data.objects.new("B", bpy.data.cameras.new("B"))
    scene.collection.objects.link(second)
    second.location, second.rotation_euler = (0.2, 0, 0), (1.5, 0, 0)
    for frame, camera in ((1, first), (3, second)):
        scene.timeline_markers.new(camera.name, frame=frame).camera = camera
    scene.camera = second
    assert "Markers switch cameras, as in renders" in draw(saved, "camera").text
    assert bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    folder = bpy.path.abspath(saved.shot.takes[-1].folder)
    with np.load(f"{folder}/camera.npz") as path:
        sent = path["extrinsics"]
    sample = saved.part("camera").sample_camera
    for number, camera in enumerate((first, first, second, second)):
        own = sample(scene, camera, mesh, [number + 1]).extrinsics[0]
        np.testing.assert_allclose(sent[number], own, atol=1e-6)
    assert scene.camera == second
