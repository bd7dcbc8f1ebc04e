"""What a sampled path says is what Blender shows, where markers switch between cameras, some of
which hang on rigs of other files."""

from __future__ import annotations

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs pip's bpy")

from extension.blender_addon.camera.sampling import render_size, sample_camera  # noqa: E402

from tests.blender_addon.rigs import add, on_a_bone, on_a_moving_object, on_a_vertex  # noqa: E402
from tests.blender_addon.test_camera import points_before, project, randomize  # noqa: E402

pytestmark = pytest.mark.blender

LARGEST_ERROR_PX = 0.01
FRAMES = [1, 5.5, 11, 20]


def new_camera(scene, name):
    return add(scene, name, bpy.data.cameras.new(name))


def write_rig(path, random):
    """A file with a collection that holds a camera and what it hangs on."""
    bpy.ops.wm.read_homefile(use_empty=True)
    scene = bpy.context.scene
    root, camera = add(scene, "nothing"), new_camera(scene, "rigged")
    randomize(scene, root, camera, random)
    if camera.parent is None:
        hang = random.choice([on_a_bone, on_a_vertex, on_a_moving_object])
        hang(scene, camera, root)
    rig = bpy.data.collections.new("rig")
    for item in set(scene.objects) - {root}:
        rig.objects.link(item)
    bpy.data.libraries.write(str(path), {rig}, fake_user=True)


def linked_camera(scene, path, *, overridden):
    """The camera of a rig of another file; overridden, it can be moved here, as its parents can."""
    with bpy.data.libraries.load(str(path), link=True) as (_, wanted):
        wanted.collections = ["rig"]
    rig = wanted.collections[0]
    scene.collection.children.link(rig)
    if not overridden:
        return next(item for item in rig.objects if item.type == "CAMERA")
    own = rig.override_hierarchy_create(scene, bpy.context.view_layer)
    camera = next(item for item in own.all_objects if item.type == "CAMERA")
    assert camera.override_library
    return camera


@pytest.mark.parametrize("batch", range(10))
def test_points_fall_where_blender_sees_them(tmp_path, batch):
    """20 random scenes in each of 10 batches, each with a camera of its own and a linked one."""
    worst = 0.0
    for number in range(20):
        random = np.random.default_rng(77_000 + 1000 * batch + number)
        write_rig(tmp_path / "rig.blend", random)
        bpy.ops.wm.read_homefile(use_empty=True)
        scene = bpy.context.scene
        root = add(scene, "root", bpy.data.meshes.new("root"))
        own = new_camera(scene, "own")
        randomize(scene, root, own, random)
        linked = linked_camera(scene, tmp_path / "rig.blend", overridden=bool(number % 2))
        for place, camera in enumerate(random.permutation(np.array([own, linked, own]))):
            marker = scene.timeline_markers.new(camera.name, frame=1 + 6 * place)
            marker.camera = camera
        path = sample_camera(scene, own, root, FRAMES, follow_markers=True)
        alone = sample_camera(scene, linked, root, FRAMES)
        for index, frame in enumerate(FRAMES):
            scene.frame_set(int(frame), subframe=frame % 1)
            for camera, sampled in ((scene.camera, path), (linked, alone)):
                points, pixels = points_before(scene, root, camera, frame, random)
                worst = max(worst, np.abs(project(sampled, index, points) - pixels).max())
        assert path.size == render_size(scene)
    print(f"largest error {worst:.5f} px")
    assert worst <= LARGEST_ERROR_PX
