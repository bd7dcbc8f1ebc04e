"""The imported shot plays in Blender as the plate, and importing again leaks nothing."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs pip's bpy")

from extension.blender_addon.camera.keyframes import apply_path  # noqa: E402
from extension.blender_addon.camera.sampling import sample_camera  # noqa: E402
from extension.blender_addon.errors import CacheError, MovieError  # noqa: E402
from extension.blender_addon.jobs.reconstruction import STRIDES  # noqa: E402
from extension.blender_addon.presets import preset_path  # noqa: E402
from extension.blender_addon.scene.scene_import import ShotSettings, import_shot  # noqa: E402

pytestmark = pytest.mark.blender

FIRST = 11  # of `small`


def evaluated(root):
    return root.evaluated_get(bpy.context.evaluated_depsgraph_get()).data


def positions(mesh):
    values = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", values)
    return values.reshape(-1, 3)


def test_nothing_needs_repair(small):
    _, files, shot = small()
    assert shot.root.data.validate(verbose=True) is False
    assert len(shot.root.data.polygons) == 23 * 15 + 2
    assert files.grid.n_vertices == len(shot.root.data.vertices)


@pytest.mark.parametrize("stride", STRIDES)
def test_each_scene_frame_shows_its_vertices_and_holes(scene, small, stride):
    clip, files, shot = small(stride)
    for scene_frame in (1, 11, 12, 15, 20, 40):
        scene.frame_set(scene_frame)
        frame = min(max(scene_frame - FIRST, 0), 9)
        mesh = evaluated(shot.root)
        np.testing.assert_array_equal(positions(mesh), clip.vertices(frame, files.grid))
        slots = np.empty(len(mesh.polygons), np.int32)
        mesh.polygons.foreach_get("material_index", slots)
        assert slots[-2:].all()
        cells = clip.hole_cells(frame, files.grid)
        np.testing.assert_array_equal(slots[:-2] == 1, cells.ravel())


def test_it_plays_after_save_and_load(scene, small, tmp_path):
    clip, files, _ = small()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.context.scene.frame_set(FIRST + 4)
    root = bpy.data.objects["EX-4D clip Mesh"]
    np.testing.assert_array_equal(positions(evaluated(root)), clip.vertices(4, files.grid))


def counts():
    kinds = ("objects", "meshes", "cameras", "materials", "images", "node_groups", "collections")
    return {kind: len(getattr(bpy.data, kind)) for kind in (*kinds, "actions")}


def test_importing_again_replaces_and_leaks_nothing(scene, small):
    shot = small()[2]
    shot.root.location = (1, 2, 3)
    apply_path(shot.shot_camera, shot.root, preset_path("30", 10, 3.0), first_frame=FIRST)
    before = counts()
    for stride in (2, 1, 4):
        _, files, again = small(stride)
        assert counts() == before
        assert again.root == shot.root
        assert len(again.root.data.vertices) == files.grid.n_vertices
    scene.frame_set(20)
    path = sample_camera(scene, again.shot_camera, again.root, [20])
    np.testing.assert_allclose(path.extrinsics[0], preset_path("30", 10, 3.0)[-1], atol=1e-5)
    assert tuple(again.root.location) == (1, 2, 3)


def test_two_shots_share_nothing(small):
    one, other = small()[2], small(name="other")[2]
    assert one.root != other.root
    assert one.root.data != other.root.data
    assert not set(one.root.data.materials) & set(other.root.data.materials)


@pytest.mark.parametrize("asked", [False, True])
def test_rate_and_range_change_only_when_asked(scene, small, asked):
    scene.render.fps, scene.frame_end = 25, 250
    small(set_scene=asked)
    expected = (24, 11, 20) if asked else (25, 1, 250)
    assert (scene.render.fps, scene.frame_start, scene.frame_end) == expected


def test_ntsc_rates_are_exact(scene, shot):
    from extension.blender_addon.scene.scene_parts import set_scene_parts

    set_scene_parts(scene, replace(shot, fps=Fraction(30000, 1001)), 1)
    assert scene.render.fps == 30
    assert scene.render.fps_base == pytest.approx(1.001)


def test_a_cut_cache_or_a_lost_movie_changes_nothing(scene, small, tmp_path):
    clip, files, _ = small()
    before = counts()
    with pytest.raises(MovieError, match="no movie"):
        small(name="new", movie=tmp_path / "gone.mp4")
    with pytest.raises(MovieError, match="10 frames"):
        small(name="new", movie_stride=3)
    files.positions.write_bytes(files.positions.read_bytes()[:-1])
    with pytest.raises(CacheError, match="cut"):
        import_shot(scene, clip, files, ShotSettings("new", tmp_path / "clip.mp4"))
    assert counts() == before
