"""A shot in the start file: new files have all of it, and nothing of the file that it was saved
from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.extension.rig import SHOT

pytestmark = pytest.mark.blender


@pytest.fixture
def begun(addon, server, tmp_path):
    """A saved project whose scene is the start file, and the paths of the panel before."""
    bpy = addon.bpy
    addon.use(server)
    project = tmp_path / "project"
    project.mkdir()
    for name in ("input.mp4", "depth.npz"):
        shutil.copy(SHOT / name, project / name)
    bpy.ops.wm.save_as_mainfile(filepath=str(project / "shot.blend"))
    shot = addon.shot
    shot.clip, shot.depth.file = "//input.mp4", "//depth.npz"
    shot.num_frames, shot.grid_stride = 3, "4"
    assert bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}
    assert bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    before, scene_id = panel(addon), shot.scene_id
    bpy.ops.wm.save_homefile()
    addon.tick()
    assert (panel(addon), shot.scene_id) == (before, scene_id)
    yield addon
    start_file = Path(bpy.utils.user_resource("CONFIG")) / "startup.blend"
    start_file.unlink()


def panel(addon):
    paths = addon.part("project.moved_paths").panel_paths()
    return [getattr(group, name) for group, name in paths]


def test_a_new_file_finds_clip_depth_mesh_and_takes(begun):
    bpy = begun.bpy
    bpy.ops.wm.read_homefile()
    assert bpy.data.filepath == ""
    for path in panel(begun):
        assert Path(path).is_absolute()
        assert Path(path).exists()
    assert begun.part("project.mesh_files").missing_shown(begun.shot.mesh) == ""
    assert begun.part("project.mesh_files").why_no_source(begun.shot.mesh) == ""
    assert (begun.part("takes.take").folder_of_take(begun.shot.takes[0]) / "result.mp4").is_file()
    assert bpy.ops.ex4d.render(wait=True) == {"FINISHED"}


def test_what_is_under_way_for_one_file_does_not_come_into_the_next(begun):
    bpy = begun.bpy
    bpy.ops.ex4d.render()
    bpy.ops.wm.read_homefile()
    begun.until(lambda: all(task.over or task.state.value == "held" for task in begun.tasks))
    assert [task.state.value for task in begun.tasks if not task.over] == ["held"]
    assert len(begun.shot.takes) == 1
    for handler in bpy.app.handlers.undo_post:
        handler(bpy.context.scene)
    assert len(begun.shot.takes) == 1


def test_nothing_is_copied_where_the_start_file_is_saved_from_a_file_without_a_place(
    addon, server, tmp_path, monkeypatch
):
    addon.use(server)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    addon.shot.grid_stride = "4"
    addon.reconstruct(3)
    addon.bpy.ops.wm.save_homefile()
    (Path(addon.bpy.utils.user_resource("CONFIG")) / "startup.blend").unlink()
    assert [path.name for path in tmp_path.iterdir()] == ["work"]
    assert addon.part("project.mesh_files").missing_shown(addon.shot.mesh) == ""
