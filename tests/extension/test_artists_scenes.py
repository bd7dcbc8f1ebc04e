"""Situations of artists' scenes that once went wrong, through the panel's own operators from the
clip to the picture. What is behind them has tests of its own."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from tests.extension.pictures import workbench_picture
from tests.extension.test_plate import N_FRAMES, portrait

pytestmark = pytest.mark.blender

SOME = 8  # frames
FRAMES = range(1, SOME + 1)


def added(addon, name, data=None):
    item = addon.bpy.data.objects.new(name, data)
    addon.bpy.context.scene.collection.objects.link(item)
    return item


def new_camera(addon, name):
    camera = added(addon, name, addon.bpy.data.cameras.new(name))
    camera.location, camera.rotation_euler = (1, -3, 1), (1.3, 0.1, 0.2)
    return camera


def keyed(item, path, *values, frames=(1, SOME)):
    for frame, value in zip(frames, values, strict=True):
        setattr(item, path, value)
        item.keyframe_insert(path, frame=frame)


def keys_of(addon, item):
    curves = addon.part("compat").fcurves_of(item)
    return sorted((c.data_path, c.array_index, *p.co) for c in curves for p in c.keyframe_points)


def source_camera(addon):
    return next(o for o in addon.bpy.data.objects if o.name.endswith("Source Camera"))


def pixels_off(addon, camera, path, frames):
    """How far points of the picture are from where Blender sees them, at most."""
    from bpy_extras.object_utils import world_to_camera_view
    from mathutils import Matrix, Vector

    scene, root = addon.bpy.context.scene, addon.shot.mesh
    width, height = addon.part("camera").render_size(scene)
    random, worst = np.random.default_rng(0), 0.0
    for number, frame in enumerate(frames):
        scene.frame_set(frame)
        graph = addon.bpy.context.evaluated_depsgraph_get()
        seen_by, stands = camera.evaluated_get(graph), root.evaluated_get(graph).matrix_world
        for x, y, depth in random.uniform((-0.25, -0.25, 1), (0.25, 0.25, 9), (12, 3)):
            world = seen_by.matrix_world.normalized() @ Vector((x * depth, y * depth, -depth))
            seen = world_to_camera_view(scene, seen_by, world)
            right, forward, up = Matrix(stands.inverted()) @ world
            local = path.extrinsics[number] @ (right, -up, forward, 1)
            u, v, w = path.intrinsics[number] @ local[:3]
            worst = max(worst, abs(u / w - seen.x * width), abs(v / w - (1 - seen.y) * height))
    return worst


def test_2_a_renamed_copy_of_the_source_camera_keeps_place_lens_and_keys(saved):
    saved.reconstruct(SOME)
    mine, scene = source_camera(saved).copy(), saved.bpy.context.scene
    mine.data, mine.name = mine.data.copy(), "A-cam"
    scene.collection.objects.link(mine)
    mine.parent, mine.location, mine.rotation_euler = None, (2, -4, 1), (1.2, 0, 0.3)
    keyed(mine.data, "lens", 85, 50)
    before, own = keys_of(saved, mine.data), source_camera(saved)
    saved.reconstruct(SOME, set_scene=False)
    assert (tuple(mine.location), mine.parent, mine.name) == ((2, -4, 1), None, "A-cam")
    assert keys_of(saved, mine.data) == before
    assert source_camera(saved) == own


def test_3_a_finer_mesh_in_a_full_copy_of_a_scene_is_that_copys_own(saved):
    saved.reconstruct(SOME)
    bpy, first = saved.bpy, saved.shot.mesh
    n_vertices = len(first.data.vertices)
    bpy.ops.scene.new(type="FULL_COPY")
    own = saved.shot.mesh
    assert own != first
    saved.shot.grid_stride = "2"
    saved.reconstruct(SOME, set_scene=False)
    assert (saved.shot.mesh, len(first.data.vertices)) == (own, n_vertices)
    assert len(own.data.vertices) > 3 * n_vertices
    assert first.name not in bpy.context.scene.objects


@pytest.mark.parametrize("rig", ["bone", "moving empty", "delta transforms", "free"])
@pytest.mark.parametrize("one_key_a_frame", [True, False])
def test_4_apply_path_goes_where_the_preset_does_whatever_carries_the_camera(
    saved, rig, one_key_a_frame
):
    saved.reconstruct(SOME)
    camera = saved.shot.camera = new_camera(saved, rig)
    if rig == "bone":
        carry_by_bone(saved, camera)
    elif rig == "moving empty":
        camera.parent = added(saved, "dolly")
        keyed(camera.parent, "location", (0, 0, 0), (2, 0, 0))
    elif rig == "delta transforms":
        camera.delta_location, camera.delta_rotation_quaternion = (0.5, 0.2, 0), (0.9, 0.1, 0.3, 0)
    saved.bpy.context.scene.frame_set(5)
    done = saved.bpy.ops.ex4d.apply_preset(one_key_a_frame=one_key_a_frame)
    assert done == {"FINISHED"}
    off = centres_of(sampled(saved, camera)) - centres_of(wanted(saved))
    assert np.linalg.norm(off, axis=1).max() < (1e-4 if one_key_a_frame else 4e-3)


def carry_by_bone(addon, camera):
    bpy = addon.bpy
    rig = added(addon, "rig", bpy.data.armatures.new("rig"))
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    bone = rig.data.edit_bones.new("bone")
    bone.head, bone.tail = (0, 0, 0), (0, 0.5, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    camera.parent, camera.parent_type, camera.parent_bone = rig, "BONE", "bone"


def sampled(addon, camera, frames=FRAMES):
    sample = addon.part("camera").sample_camera
    return sample(addon.bpy.context.scene, camera, addon.shot.mesh, frames).extrinsics


def wanted(addon):
    shot = addon.shot
    make = addon.part("presets").preset_path
    return make(shot.preset, SOME, float(shot.mesh["ex4d_radius"]), easing=shot.easing)


def centres_of(extrinsics):
    return np.linalg.inv(extrinsics)[:, :3, 3]


def test_4_a_driven_camera_is_refused_and_nothing_is_keyed(saved):
    saved.reconstruct(SOME)
    camera = saved.shot.camera = new_camera(saved, "driven")
    camera.driver_add("location", 0).driver.expression = "frame / 10"
    with pytest.raises(RuntimeError, match="A driver sets location of 'driven'"):
        saved.bpy.ops.ex4d.apply_preset()
    assert keys_of(saved, camera) == []


def test_4_two_cameras_in_one_action_each_keep_or_get_their_own_keys(saved):
    """From 4.4 on: a slot each. Keys behind the path's end go with the others."""
    if saved.bpy.app.version < (4, 4, 0):
        pytest.skip("4.4 brought slots")
    saved.reconstruct(SOME)
    one, other = new_camera(saved, "A"), new_camera(saved, "B")
    keyed(one, "location", (0, -3, 1), (2, -3, 1))
    action = one.animation_data.action
    other.animation_data_create().action = action
    other.animation_data.action_slot = action.slots.new(id_type="OBJECT", name="B")
    keyed(other, "location", (0, -3, 1), (-2, -3, 1), (9, -3, 1), frames=(1, SOME, 60))
    before = keys_of(saved, one)
    saved.shot.camera = other
    assert saved.bpy.ops.ex4d.apply_preset(one_key_a_frame=True) == {"FINISHED"}
    assert keys_of(saved, one) == before
    assert {frame for _, _, frame, _ in keys_of(saved, other)} == set(FRAMES)
    assert len(keys_of(saved, other)) == 7 * SOME


def test_4_with_the_lens_keyed_first_nothing_moves_behind_the_paths_end(saved):
    """From 4.4 on object and data then share an action."""
    saved.reconstruct(SOME)
    camera, scene = new_camera(saved, "lens first"), saved.bpy.context.scene
    keyed(camera.data, "lens", 35, frames=(1,))
    keyed(camera, "location", (0, -3, 1), (5, -3, 1), (9, -3, 1), frames=(1, 30, 60))
    saved.shot.camera, lens = camera, keys_of(saved, camera.data)
    assert saved.bpy.ops.ex4d.apply_preset() == {"FINISHED"}
    places = []
    for frame in (SOME, 60):
        scene.frame_set(frame)
        places.append(tuple(camera.matrix_world.translation))
    assert places[0] == pytest.approx(places[1], abs=1e-6)
    assert keys_of(saved, camera.data) == lens


def test_9_a_portrait_phone_clip_is_upright_on_the_mesh_and_in_the_take(saved, tmp_path):
    """Its dark edge, on top of what the file stores, is on the right of what is shown."""
    av = pytest.importorskip("av", reason="reads the take")
    bpy, shot = saved.bpy, saved.shot
    shown = portrait(tmp_path / "phone.mov")
    np.savez(tmp_path / "depth.npz", depth=np.full(shown.shape[:3], 3, np.float32))
    shot.clip, shot.depth.file = str(tmp_path / "phone.mov"), str(tmp_path / "depth.npz")
    shot.num_frames, shot.grid_stride = N_FRAMES, "1"
    assert tuple(shot.clip_size) == shown.shape[2:0:-1]
    assert bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}
    bpy.context.scene.camera = shot.camera = source_camera(saved)
    seen = workbench_picture(bpy, tmp_path / "mesh.png")
    assert bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    with av.open(str(folder_of(saved) / "result.mp4")) as file:
        taken = next(file.decode(video=0)).to_ndarray(format="rgb24").astype(float)
    for picture in (seen, taken):
        assert picture.shape == shown[0].shape
        assert np.abs(picture - shown[0])[4:-4, 4:-4].mean() < 5


def folder_of(addon):
    return Path(addon.bpy.path.abspath(addon.shot.takes[-1].folder))


def test_6_a_take_is_what_blender_renders_where_markers_switch_cameras(saved):
    saved.reconstruct(SOME)
    scene, path = saved.bpy.context.scene, saved.part("jobs.camera_file").read_camera_file
    one, other = new_camera(saved, "A"), new_camera(saved, "B")
    other.location = (-1, -2, 0.5)
    for frame, camera in ((1, one), (5, other)):
        scene.timeline_markers.new(camera.name, frame=frame).camera = camera
    saved.shot.camera, scene.camera = one, other
    assert saved.bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    assert scene.camera == other
    sent = path(folder_of(saved) / "camera.npz", (0, 0))
    assert pixels_off(saved, one, sent, range(1, 5)) < 0.01
    for part in (sent.extrinsics, sent.intrinsics):
        part[:4] = part[4:]
    assert pixels_off(saved, other, sent, range(5, 9)) < 0.01


def test_12_a_camera_driven_by_what_hangs_on_the_mesh_follows_each_frame(saved):
    n_frames = 20
    saved.reconstruct(n_frames)
    root, follower = saved.shot.mesh, added(saved, "follower")
    follower.parent, follower.parent_type = root, "VERTEX"
    follower.parent_vertices = (livest_vertex(saved, n_frames),) * 3
    camera = new_camera(saved, "looker")
    camera.rotation_euler = (math.pi / 2, 0, 0)
    for axis, kind in enumerate(("LOC_X", "LOC_Y", "LOC_Z")):
        driver = camera.driver_add("location", axis).driver
        variable = driver.variables.new()
        variable.name, variable.type = "v", "TRANSFORMS"
        variable.targets[0].id, variable.targets[0].transform_type = follower, kind
        driver.expression = f"v - {int(axis == 1)}"
    frames = range(1, n_frames + 1)
    path = saved.part("camera").sample_camera(saved.bpy.context.scene, camera, root, frames)
    assert np.ptp(centres_of(path.extrinsics), axis=0).max() > 0.1  # it moves
    assert pixels_off(saved, camera, path, frames) < 0.01


def livest_vertex(addon, n_frames):
    """Which moves most, but those far away."""
    scene, seen = addon.bpy.context.scene, []
    for frame in (1, n_frames):
        scene.frame_set(frame)
        graph = addon.bpy.context.evaluated_depsgraph_get()
        mesh = addon.shot.mesh.evaluated_get(graph).data
        places = np.empty(3 * len(mesh.vertices), np.float32)
        mesh.vertices.foreach_get("co", places)
        seen.append(places.reshape(-1, 3))
    far = np.linalg.norm(seen, axis=2).max(axis=0)
    moves = np.linalg.norm(seen[1] - seen[0], axis=1)
    return int(np.where(far < 0.5 * far.max(), moves, 0).argmax())


@pytest.mark.parametrize("scale", [2, 10, 100, 0.1, 0.01])
def test_10_a_scaled_mesh_fills_the_picture_as_before(saved, tmp_path, scale):
    saved.reconstruct(4)
    scene = saved.bpy.context.scene
    scene.camera = source_camera(saved)
    scene.render.film_transparent = True

    def share(name):
        workbench_picture(saved.bpy, tmp_path / name)
        image = saved.bpy.data.images.load(str(tmp_path / name))
        return float((np.array(image.pixels[:])[3::4] > 0.5).mean())

    before = share("before.png")
    saved.shot.mesh.scale = (scale,) * 3
    saved.bpy.context.view_layer.update()
    assert before > 0.98
    assert share("after.png") == pytest.approx(before, abs=2e-3)
