"""What a sampled path says is what Blender shows."""

from __future__ import annotations

import struct

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs pip's bpy")

from extension.blender_addon.camera.keyframes import apply_path  # noqa: E402
from extension.blender_addon.camera.sampling import render_size, sample_camera  # noqa: E402
from extension.blender_addon.camera.source_camera import place_source_camera  # noqa: E402
from extension.blender_addon.errors import CameraError  # noqa: E402
from extension.blender_addon.presets import preset_path  # noqa: E402

from tests.blender_addon.rigs import add  # noqa: E402

pytestmark = pytest.mark.blender


@pytest.fixture
def camera(scene):
    return add(scene, "camera", bpy.data.cameras.new("camera"))


def randomize(scene, root, camera, random):
    """A moved mesh object, a camera below a parent or under a constraint, an animated lens."""
    root.location = random.uniform(-2, 2, 3)
    root.rotation_euler = random.uniform(-3, 3, 3)
    root.scale = [random.uniform(0.3, 3)] * 3
    render = scene.render
    # multiples of 20: world_to_camera_view ignores that percentages are cut to whole pixels
    render.resolution_x, render.resolution_y = (int(20 * s) for s in random.integers(4, 50, 2))
    render.resolution_percentage = int(random.choice([25, 50, 100, 130]))
    render.pixel_aspect_x = random.choice([1.0, 1.3, 2.0])
    render.pixel_aspect_y = random.choice([1.0, 1.1])
    data = camera.data
    data.sensor_fit = random.choice(["AUTO", "HORIZONTAL", "VERTICAL"])
    data.sensor_width, data.sensor_height = random.uniform(10, 50, 2)
    for frame in (1, 20):
        data.lens = random.uniform(15, 90)
        data.shift_x, data.shift_y = random.uniform(-0.4, 0.4, 2)
        camera.location = random.uniform(-3, 3, 3)
        camera.rotation_euler = random.uniform(-3, 3, 3)
        for name in ("lens", "shift_x", "shift_y"):
            data.keyframe_insert(name, frame=frame)
        for name in ("location", "rotation_euler"):
            camera.keyframe_insert(name, frame=frame)
    camera.scale = random.uniform(0.5, 2, 3)
    kind = random.integers(4)
    if kind in (1, 3):
        parent = add(scene, "parent")
        parent.location, parent.rotation_euler = random.uniform(-2, 2, (2, 3))
        parent.scale = [random.uniform(0.5, 2)] * 3
        parent.keyframe_insert("location", frame=1)
        parent.location = random.uniform(-2, 2, 3)
        parent.keyframe_insert("location", frame=20)
        camera.parent = parent
    if kind in (2, 3):
        target = add(scene, "target")
        target.location = random.uniform(-2, 2, 3)
        constraint = camera.constraints.new("TRACK_TO")
        constraint.target = target
        constraint.track_axis, constraint.up_axis = "TRACK_NEGATIVE_Z", "UP_Y"


def points_before(scene, root, camera, frame, random):
    """Points in the root's frame [P, 3] that the camera sees, and their pixels as Blender says."""
    from bpy_extras.object_utils import world_to_camera_view

    scene.frame_set(int(frame), subframe=frame % 1)
    pixels = random.uniform(0, 1, (8, 2))
    depths = random.uniform(1, 10, 8)
    size = render_size(scene)
    corners = [np.array(corner) for corner in camera.data.view_frame(scene=scene)]
    right, left, top = corners[0], corners[2], corners[3]
    rays = left + pixels[:, :1] * (right - top) + pixels[:, 1:] * (top - left)
    world = [
        camera.matrix_world.normalized() @ _vector(ray / -ray[2] * depth)
        for ray, depth in zip(rays, depths, strict=True)
    ]
    seen = np.array([world_to_camera_view(scene, camera, point)[:2] for point in world])
    inside = np.array([root.matrix_world.inverted() @ point for point in world])
    return inside, np.stack([seen[:, 0], 1 - seen[:, 1]], axis=1) * size


def _vector(values):
    from mathutils import Vector

    return Vector(values)


def project(path, number, points):
    """Pixels [P, 2] of points [P, 3] in the mesh object's frame, by the path alone."""
    opencv = np.stack([points[:, 0], -points[:, 2], points[:, 1], np.ones(len(points))])
    x, y, z, _ = path.extrinsics[number] @ opencv
    assert (z > 0).all()
    u, v, w = path.intrinsics[number] @ np.stack([x, y, z])
    return np.stack([u / w, v / w], axis=1)


@pytest.mark.parametrize("batch", range(10))
def test_points_fall_where_blender_sees_them(scene, batch):
    """20 random cameras in each of 10 batches."""
    worst = 0.0
    for number in range(20):
        bpy.ops.wm.read_homefile(use_empty=True)
        scene = bpy.context.scene
        random = np.random.default_rng(1000 * batch + number)
        root = add(scene, "root", bpy.data.meshes.new("root"))
        camera = add(scene, "camera", bpy.data.cameras.new("camera"))
        randomize(scene, root, camera, random)
        frames = [1, 7.5, 20]
        path = sample_camera(scene, camera, root, frames)
        assert path.size == render_size(scene)
        for index, frame in enumerate(frames):
            points, pixels = points_before(scene, root, camera, frame, random)
            worst = max(worst, float(np.abs(project(path, index, points) - pixels).max()))
    print(f"largest error {worst:.5f} px")
    assert worst <= 0.01


def test_the_identity_is_the_source_cameras_pose(scene, root, camera):
    camera.parent = root
    lens = np.array([[400.0, 0, 150], [0, 400, 110], [0, 0, 1]])
    place_source_camera(camera, lens[None], (320, 240), render=scene.render)
    root.location, root.scale = (1, 2, 3), (2, 2, 2)
    path = sample_camera(scene, camera, root, [1])
    np.testing.assert_allclose(path.extrinsics[0], np.eye(4), atol=1e-5)
    np.testing.assert_allclose(path.intrinsics[0], lens, atol=1e-3)


@pytest.mark.parametrize("focal_y", [400.0, 500.0, 310.0])
def test_a_placed_lens_is_sampled_again(scene, root, camera, focal_y):
    """Zoom, principal point and pixel aspect, in each frame."""
    lens = np.array([[400.0, 0, 150], [0, focal_y, 110], [0, 0, 1]]) * np.ones((5, 1, 1))
    lens[:, :2, :2] *= np.linspace(1, 1.4, 5)[:, None, None]
    lens[:, 0, 2] += np.arange(5)
    place_source_camera(camera, lens, (320, 240), first_frame=11, render=scene.render)
    path = sample_camera(scene, camera, root, range(11, 16))
    np.testing.assert_allclose(path.intrinsics, lens, atol=2e-3)
    assert path.size == (320, 240)


@pytest.mark.parametrize("child", [True, False])
@pytest.mark.parametrize("name", ["30", "-60", "180", "zoom_in", "zoom_out"])
def test_keyed_presets_are_sampled_again(scene, root, camera, name, child):
    root.location, root.rotation_euler, root.scale = (1, 2, 3), (0.3, 1, -2), (2, 2, 2)
    camera.parent = root if child else None
    bpy.context.view_layer.update()
    expected = preset_path(name, 25, 3.0, easing="smooth")
    apply_path(camera, root, preset_path("90", 40, 3.0), first_frame=5)  # replaced by the next
    apply_path(camera, root, expected, first_frame=10)
    path = sample_camera(scene, camera, root, range(10, 35))
    np.testing.assert_allclose(path.extrinsics, expected, atol=2e-5)
    later = sample_camera(scene, camera, root, [44])
    np.testing.assert_allclose(later.extrinsics[0], expected[-1], atol=2e-5)


def test_a_constrained_camera_is_not_keyed(scene, root, camera):
    camera.constraints.new("TRACK_TO")
    with pytest.raises(CameraError, match="constraint"):
        apply_path(camera, root, preset_path("30", 5, 1.0))


@pytest.mark.parametrize(("kind", "word"), [("ORTHO", "orthographic"), ("PANO", "panoramic")])
def test_other_cameras_are_refused_and_the_frame_comes_back(scene, root, camera, kind, word):
    camera.data.type = kind
    scene.frame_set(7, subframe=0.25)
    with pytest.raises(CameraError, match=word):
        sample_camera(scene, camera, root, range(1, 5))
    assert (scene.frame_current, scene.frame_subframe) == (7, 0.25)


def test_the_frame_comes_back_after_sampling(scene, root, camera):
    scene.frame_set(3, subframe=0.5)
    sample_camera(scene, camera, root, range(20, 30))
    assert (scene.frame_current, scene.frame_subframe) == (3, 0.5)


def test_what_cannot_be_a_pose_is_refused(scene, root, camera):
    with pytest.raises(CameraError, match="no frames"):
        sample_camera(scene, camera, root, [])
    with pytest.raises(CameraError, match="not a camera"):
        sample_camera(scene, root, root, [1])
    root.scale = (1, 2, 1)
    with pytest.raises(CameraError, match="unevenly"):
        sample_camera(scene, camera, root, [1])
    root.scale, camera.scale = (1, 1, 1), (1, -1, 1)
    with pytest.raises(CameraError, match="mirrored at frame 1: make its scale"):
        sample_camera(scene, camera, root, [1])
    loose = bpy.data.objects.new("loose", bpy.data.cameras.new("loose"))
    with pytest.raises(CameraError, match="view layer"):
        sample_camera(scene, loose, root, [1])


@pytest.mark.parametrize(
    ("scale", "word"),
    [
        ((-1, 1, 1), "'camera' is mirrored at frame 1: make the 'crane' object's scale positive"),
        ((0, 0, 0), "'camera' has no size at frame 1: the 'crane' object's scale is 0"),
        ((1, 5, 1), "'camera' is sheared at frame 1 by the uneven scale of 'crane'"),
    ],
)
def test_15_a_parent_whose_scale_is_at_fault_is_named(scene, camera, root, scale, word):
    crane, arm = (bpy.data.objects.new(name, None) for name in ("crane", "arm"))
    for item in (crane, arm):
        scene.collection.objects.link(item)
    camera.parent, arm.parent = arm, crane
    arm.rotation_euler = (0.3, 0.4, 0.5)
    crane.scale = scale
    with pytest.raises(CameraError, match=word):
        sample_camera(scene, camera, root, [1])


def test_a_cameras_other_scene_may_be_sampled(scene, camera, root):
    other = bpy.data.scenes.new("other")
    for item in (camera, root):
        other.collection.objects.link(item)
    camera.location = (0, 0, 5)
    path = sample_camera(other, camera, root, [1])
    np.testing.assert_allclose(path.extrinsics[0] @ [0, -5, 0, 1], [0, 0, 0, 1], atol=1e-6)


def test_a_disabled_camera_is_refused(scene, root, camera):
    camera.hide_viewport = True
    with pytest.raises(CameraError, match="hidden"):
        sample_camera(scene, camera, root, [1])


def test_half_pixels_of_a_percentage_are_cut(scene, root, camera):
    """Blender renders 333 x 25% as 83 pixels; intrinsics are for these."""
    scene.render.resolution_x, scene.render.resolution_y = 333, 200
    scene.render.resolution_percentage = 25
    path = sample_camera(scene, camera, root, [1])
    assert path.size == (83, 50)
    assert path.intrinsics[0, 0, 2] == 41.5


def test_a_camera_on_a_vertex_follows_the_moving_mesh(scene, root, camera, tmp_path):
    """Sampling lets the mesh rest only where no pose depends on it."""
    before = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    frames = np.stack([before, before + np.float32([0, 0, 2])]).astype("<f4")
    path = tmp_path / "moves.pc2"
    header = struct.pack("<12siiffi", b"POINTCACHE2\0", 1, 3, 0.0, 1.0, 2)
    path.write_bytes(header + frames.tobytes())
    root.data.from_pydata(before.tolist(), [], [(0, 1, 2)])
    cache = root.modifiers.new("cache", "MESH_CACHE")
    cache.cache_format, cache.filepath, cache.frame_start = "PC2", str(path), 1
    still = sample_camera(scene, camera, root, (1, 2)).extrinsics
    assert np.abs(still[1] - still[0]).max() == 0
    camera.parent, camera.parent_type = root, "VERTEX_3"
    camera.parent_vertices = (0, 1, 2)
    moved = sample_camera(scene, camera, root, (1, 2)).extrinsics
    assert np.abs(moved[1] - moved[0]).max() == pytest.approx(2, abs=1e-4)
    assert cache.show_viewport
