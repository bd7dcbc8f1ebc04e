"""A named path comes in as few keys with handles, and no picture shows the difference."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs pip's bpy")

from extension.blender_addon.axes import BLENDER_FROM_OPENCV  # noqa: E402
from extension.blender_addon.camera.keyframes import apply_path  # noqa: E402
from extension.blender_addon.camera.sampling import render_size, sample_camera  # noqa: E402
from extension.blender_addon.compat import fcurves_of  # noqa: E402
from extension.blender_addon.jobs.cache_files import cached_positions, write_cache  # noqa: E402
from extension.blender_addon.presets import EASINGS, orbit_radius, preset_path  # noqa: E402
from extension.blender_addon.scene.scene_import import ShotSettings, import_shot  # noqa: E402

from tests.blender_addon import rigs  # noqa: E402
from tests.blender_addon.rigs import keyed, values_of  # noqa: E402

pytestmark = pytest.mark.blender

FIRST, COUNT = 11, 49
FRAMES = range(FIRST, FIRST + COUNT)
PRESETS = ("30", "-60", "90", "180", "360", "zoom_in", "zoom_out")


@pytest.fixture
def made(scene, shot, make_movie, tmp_path):
    """The sample shot in the scene: its parts, its orbit's radius, its positions [N, V, 3]."""
    files = write_cache(shot, tmp_path, "clip", stride=4)
    settings = ShotSettings("clip", make_movie(n_frames=COUNT), first_frame=FIRST, set_scene=True)
    parts = import_shot(scene, shot, files, settings)
    positions = cached_positions(files.positions, files.grid.n_vertices)
    return parts, orbit_radius(shot.depth(0)), positions


def keys_of(camera):
    curves = [c for c in fcurves_of(camera) if "delta" not in c.data_path]
    assert len(curves) == 7
    (frames,) = {tuple(point.co.x for point in curve.keyframe_points) for curve in curves}
    kinds = {point.interpolation for curve in curves for point in curve.keyframe_points}
    return frames, kinds


def pixels_of(points, extrinsics, intrinsics):
    """Where world_to_camera [4, 4] sees points [P, 3] (OpenCV's axes), and their depth."""
    local = points @ extrinsics[:3, :3].T + extrinsics[:3, 3]
    seen = local @ intrinsics.T
    with np.errstate(all="ignore"):
        return seen[:, :2] / seen[:, 2:], local[:, 2]


def largest_error_px(scene, camera, root, path, positions):
    """How far any vertex of the mesh in the picture is from where the path has it."""
    size = render_size(scene)
    sampled = sample_camera(scene, camera, root, FRAMES)
    worst = 0.0
    for frame in range(COUNT):
        points = positions[frame] @ BLENDER_FROM_OPENCV[:3, :3]
        wanted, depth = pixels_of(points, path[frame], sampled.intrinsics[frame])
        found, _ = pixels_of(points, sampled.extrinsics[frame], sampled.intrinsics[frame])
        inside = (depth > 0) & (wanted >= 0).all(axis=1) & (wanted <= size).all(axis=1)
        shifts = np.linalg.norm(found - wanted, axis=1)[inside]
        worst = max(worst, float(shifts.max(initial=0)))
    return worst


@pytest.mark.parametrize("name", PRESETS)
def test_few_keys_move_no_point_of_the_mesh_by_a_tenth_of_a_pixel(scene, made, name):
    parts, radius, positions = made
    for easing in EASINGS:
        path = preset_path(name, COUNT, radius, easing=easing)
        apply_path(parts.shot_camera, parts.root, path, first_frame=FIRST, one_key_a_frame=False)
        frames, kinds = keys_of(parts.shot_camera)
        error = largest_error_px(scene, parts.shot_camera, parts.root, path, positions)
        print(f"{name} {easing}: {len(frames)} keys, {error:.4f} px")
        assert error <= 0.1
        assert kinds == {"BEZIER"}
        assert len(frames) <= COUNT // 2
        assert (frames[0], frames[-1]) == (FRAMES[0], FRAMES[-1])


@pytest.mark.parametrize("name", ["180", "360"])
def test_in_an_hd_picture_there_are_never_more_keys_than_frames(scene, made, name):
    """The widest paths, where few keys are hardest: a tenth of a pixel holds, else each frame has
    its key."""
    parts, radius, positions = made
    scene.render.resolution_x, scene.render.resolution_y = 1920, 1080
    for easing in EASINGS:
        path = preset_path(name, COUNT, radius, easing=easing)
        apply_path(parts.shot_camera, parts.root, path, first_frame=FIRST, one_key_a_frame=False)
        frames, kinds = keys_of(parts.shot_camera)
        assert largest_error_px(scene, parts.shot_camera, parts.root, path, positions) <= 0.1
        assert kinds == {"BEZIER"} if len(frames) <= COUNT // 2 else frames == tuple(FRAMES)


@pytest.fixture
def rig(request):
    """A rig by its name: 4.2 crashes at its exit when pytest keeps a function that knows bpy."""
    return getattr(rigs, request.param)


@pytest.mark.parametrize(
    "rig", ["on_a_moving_object", "with_deltas", "with_the_lens_keyed_first"], indirect=True
)
def test_what_carries_the_camera_is_taken_into_account(scene, made, rig):
    parts, radius, positions = made
    camera = parts.shot_camera
    camera.parent = None
    rig(scene, camera, parts.root)
    parts.root.location, parts.root.scale = (1, 2, 3), (2, 2, 2)
    path = preset_path("40", COUNT, radius, easing="smooth")
    apply_path(camera, parts.root, path, first_frame=FIRST, one_key_a_frame=False)
    assert largest_error_px(scene, camera, parts.root, path, positions) <= 0.1


def test_a_longer_lens_takes_more_keys(scene, made):
    parts, radius, positions = made
    camera = parts.shot_camera
    counts = []
    for lens in (20.0, 400.0):
        keyed(camera.data, "lens", 20.0, lens, frames=(FIRST, FIRST + COUNT - 1))
        path = preset_path("30", COUNT, radius, easing="smooth")
        apply_path(camera, parts.root, path, first_frame=FIRST, one_key_a_frame=False)
        counts.append(len(keys_of(camera)[0]))
        assert largest_error_px(scene, camera, parts.root, path, positions) <= 0.1
    assert counts[0] < counts[1]


def test_where_few_keys_do_not_help_there_is_one_a_frame(scene, made):
    """What the camera hangs on shakes, so its own motion must shake the other way."""
    parts, radius, positions = made
    holder = rigs.add(scene, "holder")
    random = np.random.default_rng(0)
    for frame in FRAMES:
        keyed(holder, "location", random.uniform(-0.3, 0.3, 3), frames=(frame,))
    parts.shot_camera.parent = holder
    path = preset_path("30", COUNT, radius)
    apply_path(parts.shot_camera, parts.root, path, first_frame=FIRST, one_key_a_frame=False)
    assert keys_of(parts.shot_camera) == (tuple(FRAMES), {"LINEAR"})
    assert largest_error_px(scene, parts.shot_camera, parts.root, path, positions) <= 0.01


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_very_short_paths(scene, made, count):
    parts, radius, _ = made
    path = preset_path("60", count, radius)
    apply_path(parts.shot_camera, parts.root, path, first_frame=FIRST, one_key_a_frame=False)
    sampled = sample_camera(scene, parts.shot_camera, parts.root, range(FIRST, FIRST + count))
    assert len(sampled.extrinsics) == count
    np.testing.assert_allclose(sampled.extrinsics, path, atol=2e-3 if count == 4 else 2e-5)


def test_a_mesh_without_its_file_or_vertices_still_takes_the_path(scene, made, tmp_path):
    parts, radius, positions = made
    path = preset_path("30", COUNT, radius)
    for item in tmp_path.glob("*.pc2"):
        item.rename(tmp_path / "elsewhere")
    apply_path(parts.shot_camera, parts.root, path, first_frame=FIRST, one_key_a_frame=False)
    assert largest_error_px(scene, parts.shot_camera, parts.root, path, positions) <= 0.1
    empty = rigs.add(scene, "empty", bpy.data.meshes.new("empty"))
    apply_path(parts.shot_camera, empty, path, first_frame=FIRST, one_key_a_frame=False)
    assert keys_of(parts.shot_camera)[0] == tuple(FRAMES)


def test_between_frames_there_is_no_kink(scene, made):
    """Motion blur samples there: halfway, the curves are as far as the whole path says."""
    parts, radius, _ = made
    fine = preset_path("90", 2 * COUNT - 1, radius, easing="smooth")
    path = fine[::2]
    apply_path(parts.shot_camera, parts.root, path, first_frame=FIRST, one_key_a_frame=False)
    halves = [FIRST + frame + 0.5 for frame in range(COUNT - 1)]
    sampled = sample_camera(scene, parts.shot_camera, parts.root, [FIRST, *halves])
    np.testing.assert_allclose(sampled.extrinsics[1:], fine[1::2], atol=1e-3)


def test_keys_lie_on_the_path_and_neighbours_share_their_slope(scene, made):
    parts, radius, _ = made
    path = preset_path("60", COUNT, radius, easing="ease_in")
    apply_path(parts.shot_camera, parts.root, path, first_frame=FIRST)
    dense = {point[:3]: point[3] for point in values_of(parts.shot_camera)}
    apply_path(parts.shot_camera, parts.root, path, first_frame=FIRST, one_key_a_frame=False)
    for *place, value in values_of(parts.shot_camera):
        assert value == pytest.approx(dense[tuple(place)], abs=1e-5)
    for curve in fcurves_of(parts.shot_camera):
        for point in curve.keyframe_points:
            left, right = point.co - point.handle_left, point.handle_right - point.co
            assert left.y / left.x == pytest.approx(right.y / right.x, abs=1e-4)
        for one, other in itertools.pairwise(curve.keyframe_points):
            third = (other.co.x - one.co.x) / 3
            assert one.handle_right.x - one.co.x == pytest.approx(third, abs=1e-4)
