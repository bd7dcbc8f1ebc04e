"""A file that is saved elsewhere still finds its clip, its depth and its takes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.extension.rig import SHOT

pytestmark = pytest.mark.blender


@pytest.fixture
def project(addon, tmp_path):
    """here/shot.blend with footage/input.mp4 and depth.npz, and a place to go to."""
    for name in ("here/footage", "there/deep", "else"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("input.mp4", "depth.npz"):
        shutil.copy(SHOT / name, tmp_path / "here" / "footage")
    addon.bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "here" / "shot.blend"))
    shot = addon.shot
    shot.clip, shot.depth.file = "//footage/input.mp4", "//footage/depth.npz"
    shot.num_frames, shot.start_frame = 3, 2
    take = shot.takes.add()
    take.folder = "//ex4d/input/take_001"
    return addon


def found(addon):
    bpy, shot = addon.bpy, addon.shot
    return [
        Path(bpy.path.abspath(path)).resolve()
        for path in (shot.clip, shot.depth.file, shot.takes[0].folder)
    ]


def expected(tmp_path):
    here = tmp_path / "here"
    return [
        here / "footage" / "input.mp4",
        here / "footage" / "depth.npz",
        here / "ex4d" / "input" / "take_001",
    ]


def test_33_saving_elsewhere_keeps_clip_depth_and_takes(project, tmp_path):
    bpy, shot = project.bpy, project.shot
    target = tmp_path / "there" / "deep" / "shot.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(target))
    assert found(project) == expected(tmp_path)
    assert shot.clip.startswith("//")
    assert (shot.num_frames, shot.start_frame, shot.clip_frames) == (3, 2, 49)
    assert shot.folder == "//ex4d"
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(target))
    assert found(project) == expected(tmp_path)
    assert project.part("ui.readiness").why_no_clip(project.shot) == ""


def test_33_a_copy_has_its_own_and_the_open_file_keeps_its_paths(project, tmp_path):
    bpy = project.bpy
    before = [project.shot.clip, project.shot.depth.file]
    copy = tmp_path / "there" / "copy.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(copy), copy=True)
    assert [project.shot.clip, project.shot.depth.file] == before
    bpy.ops.wm.open_mainfile(filepath=str(copy))
    assert found(project) == expected(tmp_path)


def test_33_a_save_that_fails_changes_nothing(project, tmp_path):
    before = [project.shot.clip, project.shot.depth.file]
    target = tmp_path / "missing" / "shot.blend"
    with pytest.raises(RuntimeError):
        project.bpy.ops.wm.save_as_mainfile(filepath=str(target))
    assert [project.shot.clip, project.shot.depth.file] == before
    assert found(project) == expected(tmp_path)


def test_33_saving_in_place_changes_nothing(project, tmp_path):
    before = [project.shot.clip, project.shot.depth.file]
    project.bpy.ops.wm.save_mainfile()
    project.bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "here" / "other.blend"))
    assert [project.shot.clip, project.shot.depth.file] == before
