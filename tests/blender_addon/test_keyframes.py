"""A path that is applied is the one that the camera then takes, or it is refused."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs pip's bpy")

from extension.blender_addon.camera.keyframes import apply_path  # noqa: E402
from extension.blender_addon.camera.sampling import sample_camera  # noqa: E402
from extension.blender_addon.compat import fcurves_of  # noqa: E402
from extension.blender_addon.errors import CameraError  # noqa: E402
from extension.blender_addon.presets import preset_path  # noqa: E402
from mathutils import Euler  # noqa: E402

from tests.blender_addon import rigs  # noqa: E402
from tests.blender_addon.rigs import add, keyed, values_of, with_old_keys  # noqa: E402

pytestmark = pytest.mark.blender

FRAMES = range(11, 19)  # of rigs.py, too
PATH = preset_path("60", len(FRAMES), 3.0, easing="smooth")
HAS_SLOTS = bpy.app.version >= (4, 4, 0)


@pytest.fixture
def root(scene):
    item = add(scene, "root", bpy.data.meshes.new("root"))
    item.location, item.rotation_euler, item.scale = (1, 2, 3), (0.3, 1, -2), (2, 2, 2)
    return item


@pytest.fixture
def camera(scene):
    item = add(scene, "camera", bpy.data.cameras.new("camera"))
    item.location, item.rotation_euler = (1, -3, 1), (1.3, 0.1, 0.2)
    return item


@pytest.fixture
def rig(request):
    """A rig by its name: 4.2 crashes at its exit when pytest keeps a function that knows bpy."""
    return getattr(rigs, request.param)


@pytest.mark.parametrize(
    "rig",
    [
        "on_a_moving_object",
        "on_a_bone",
        "on_a_vertex",
        "with_deltas",
        "on_the_mesh",
        "below_a_constraint",
        "with_old_keys",
        "with_the_lens_keyed_first",
    ],
    indirect=True,
)
@pytest.mark.parametrize("playhead", [1, 14])
def test_the_camera_takes_the_path_whatever_carries_it(scene, camera, root, rig, playhead):
    rig(scene, camera, root)
    scene.frame_set(playhead)
    apply_path(camera, root, PATH, first_frame=FRAMES[0])
    assert scene.frame_current == playhead
    np.testing.assert_allclose(
        sample_camera(scene, camera, root, FRAMES).extrinsics, PATH, atol=5e-5
    )
    later = sample_camera(scene, camera, root, [FRAMES[-1]]).extrinsics
    np.testing.assert_allclose(later[0], PATH[-1], atol=5e-5)
    curves = {(c.data_path, c.array_index): len(c.keyframe_points) for c in fcurves_of(camera)}
    assert {n for (path, _), n in curves.items() if "delta" not in path} == {len(FRAMES)}


@pytest.mark.parametrize("playhead", [1, 14])
def test_a_path_begins_where_the_shaking_mesh_is_first_and_does_not_shake(
    scene, camera, root, playhead
):
    """The mesh of a hand-held clip moves; the new camera moves as the path says, in the world."""
    keyed(root, "location", (1, 2, 3), (5, 5, 5))
    keyed(root, "rotation_euler", (0.3, 1, -2), (1, 1, 1))
    camera.parent = root
    scene.frame_set(playhead)
    apply_path(camera, root, PATH, first_frame=FRAMES[0])
    sampled = sample_camera(scene, camera, root, FRAMES)
    assert sampled.source_extrinsics is not None
    np.testing.assert_allclose(sampled.extrinsics, PATH, atol=5e-5)


def test_a_hidden_mesh_that_stands_still_is_where_it_stands(scene, camera, root):
    bpy.context.view_layer.update()
    root.hide_viewport = True
    apply_path(camera, root, PATH, first_frame=FRAMES[0])
    root.hide_viewport = False
    sampled = sample_camera(scene, camera, root, FRAMES).extrinsics
    np.testing.assert_allclose(sampled, PATH, atol=5e-5)


def test_the_camera_stands_where_the_current_frame_has_it(scene, camera, root):
    scene.frame_set(FRAMES[3])
    apply_path(camera, root, PATH, first_frame=FRAMES[0])
    shown = tuple(camera.location)
    scene.frame_set(FRAMES[3])
    assert tuple(camera.location) == pytest.approx(shown, abs=1e-6)


def test_another_camera_keeps_its_curves(scene, camera, root):
    """A copy has the same action, in all versions: to begin with it is shared."""
    with_old_keys(scene, camera, root)
    copy = camera.copy()
    scene.collection.objects.link(copy)
    before = values_of(camera)
    apply_path(copy, root, PATH, first_frame=FRAMES[0])
    assert values_of(camera) == before
    assert len(values_of(copy)) == 7 * len(FRAMES)


@pytest.mark.skipif(not HAS_SLOTS, reason="4.4 brought slots")
def test_a_slot_beside_the_cameras_keeps_its_curves(scene, camera, root):
    with_old_keys(scene, camera, root)
    other = add(scene, "other", bpy.data.cameras.new("other"))
    action = camera.animation_data.action
    other.animation_data_create().action = action
    other.animation_data.action_slot = action.slots.new(id_type="OBJECT", name="other")
    keyed(other, "location", (0, 0, 0), (7, 8, 9), frames=(1, 60))
    before = values_of(camera)
    apply_path(other, root, PATH, first_frame=FRAMES[0])
    assert values_of(camera) == before
    assert len(values_of(other)) == 7 * len(FRAMES)
    assert other.animation_data.action == action


@pytest.mark.parametrize(
    ("rig", "word"),
    [
        ("constrained", "constraint 'Look'"),
        ("driven", "driver sets location"),
        ("driven_delta", "driver sets delta location"),
        ("in_the_nla", "NLA"),
        ("below_a_stretched_parent", "parent of 'camera' is scaled unevenly"),
        ("below_a_sheared_parent", "parent of 'camera' is s"),
        ("below_a_mirrored_parent", "parent of 'camera' is mirrored"),
    ],
    indirect=["rig"],
)
def test_what_would_change_the_path_is_refused_and_nothing_is_changed(
    scene, camera, root, rig, word
):
    rig(scene, camera, root)
    scene.frame_set(14)
    before = values_of(camera), tuple(camera.location), camera.rotation_mode
    with pytest.raises(CameraError, match=word):
        apply_path(camera, root, PATH, first_frame=FRAMES[0])
    assert (values_of(camera), tuple(camera.location), camera.rotation_mode) == before


def in_another_file(scene, camera, tmp_path, *, link, keys=True):
    """The camera with keys, written away and brought back linked or appended."""
    if keys:
        with_old_keys(scene, camera, None)
    path = str(tmp_path / "other.blend")
    bpy.data.libraries.write(path, {camera})
    bpy.ops.wm.read_homefile(use_empty=True)
    with bpy.data.libraries.load(path, link=link) as (there, here):
        here.objects = there.objects
    (camera,) = here.objects
    scene = bpy.context.scene
    scene.collection.objects.link(camera)
    return scene, camera, add(scene, "root", bpy.data.meshes.new("root"))


def test_a_linked_camera_is_refused_and_keeps_its_linked_keys(scene, camera, tmp_path):
    _, camera, root = in_another_file(scene, camera, tmp_path, link=True)
    before = values_of(camera)
    assert before
    with pytest.raises(CameraError, match="linked from another file"):
        apply_path(camera, root, PATH)
    assert values_of(camera) == before


def test_an_editable_override_takes_the_path(scene, camera, tmp_path):
    scene, linked, root = in_another_file(scene, camera, tmp_path, link=True, keys=False)
    own = linked.override_create(remap_local_usages=True)
    apply_path(own, root, PATH, first_frame=FRAMES[0])
    np.testing.assert_allclose(sample_camera(scene, own, root, FRAMES).extrinsics, PATH, atol=5e-5)


def test_linked_keys_of_a_local_camera_are_refused(scene, camera, tmp_path):
    _, camera, root = in_another_file(scene, camera, tmp_path, link=True)
    camera.make_local()
    before = values_of(camera)
    with pytest.raises(CameraError, match="keys of 'camera' are linked"):
        apply_path(camera, root, PATH)
    assert values_of(camera) == before


def test_a_camera_of_the_linked_ones_name_is_keyed(scene, camera, tmp_path):
    scene, linked, root = in_another_file(scene, camera, tmp_path, link=True)
    own = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(own)
    assert own.name == linked.name
    apply_path(own, root, PATH, first_frame=FRAMES[0])
    np.testing.assert_allclose(sample_camera(scene, own, root, FRAMES).extrinsics, PATH, atol=5e-5)


def test_random_rigs(scene):
    """Chains of parents that move, turn and scale."""
    for seed in range(15):
        random = np.random.default_rng(seed)
        bpy.ops.wm.read_homefile(use_empty=True)
        scene = bpy.context.scene
        root = add(scene, "root", bpy.data.meshes.new("root"))
        camera = add(scene, "camera", bpy.data.cameras.new("camera"))
        camera.rotation_mode = random.choice(["XYZ", "ZXY", "QUATERNION", "AXIS_ANGLE"])
        chain = [camera, *(add(scene, f"parent {k}") for k in range(random.integers(4))), root]
        if random.random() < 0.5:
            chain.pop()
        for child, parent in itertools.pairwise(chain):
            child.parent = parent
            turn = Euler(random.uniform(-math.pi, math.pi, 3))
            child.matrix_parent_inverse = turn.to_matrix().to_4x4()
        for item in {*chain, root}:
            item.scale = [random.uniform(0.3, 3)] * 3
            item.location = random.uniform(-2, 2, 3)
            if item is not root:
                keyed(item, "location", random.uniform(-2, 2, 3), random.uniform(-2, 2, 3))
                if item is not camera:
                    turns = random.uniform(-3, 3, (2, 3))
                    keyed(item, "rotation_euler", *turns)
        scene.frame_set(int(random.integers(1, 30)))
        apply_path(camera, root, PATH, first_frame=FRAMES[0])
        sampled = sample_camera(scene, camera, root, FRAMES).extrinsics
        np.testing.assert_allclose(sampled, PATH, atol=2e-4, err_msg=f"seed {seed}")
