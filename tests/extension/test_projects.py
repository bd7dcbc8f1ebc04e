"""Projects that were moved, linked or appended, and footage that was found again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.extension.rig import SHOT

pytestmark = pytest.mark.blender


@pytest.fixture
def project(addon, server, tmp_path):
    """A saved project with footage of its own and a mesh, in tmp_path/project/shot.blend."""
    addon.use(server)
    folder = tmp_path / "project"
    build(addon, folder)
    return folder


def build(addon, folder, *, mirrored=False):
    folder.mkdir()
    shutil.copy(SHOT / "input.mp4", folder / "plate.mp4")
    shutil.copy(SHOT / "depth.npz", folder / "depth.npz")
    bpy = addon.bpy
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shot.blend"))
    choose(addon, "//plate.mp4", "//depth.npz")
    assert bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}
    bpy.ops.wm.save_mainfile()


def choose(addon, clip, depth):
    shot = addon.shot
    shot.clip, shot.depth.file = str(clip), str(depth)
    shot.num_frames, shot.grid_stride = 3, "4"


def source_of(addon, mesh=None):
    return addon.part("project.clip_source").mesh_source(mesh or addon.shot.mesh)


def moved_footage(addon, project, tmp_path):
    """The footage lies elsewhere, and the file is open."""
    footage = tmp_path / "footage"
    footage.mkdir()
    addon.bpy.ops.wm.read_homefile(use_empty=True)
    for name in ("plate.mp4", "depth.npz"):
        shutil.move(project / name, footage / name)
    addon.bpy.ops.wm.open_mainfile(filepath=str(project / "shot.blend"))
    return footage


def test_lost_footage_is_named_with_what_to_do(addon, project, tmp_path):
    moved_footage(addon, project, tmp_path)
    with pytest.raises(RuntimeError, match=r"clip is missing: .*plate.mp4"):
        addon.bpy.ops.ex4d.render(wait=True)


def test_find_missing_files_mends_rendering(addon, project, tmp_path):
    footage = moved_footage(addon, project, tmp_path)
    addon.bpy.ops.file.find_missing_files(directory=str(footage))
    assert addon.bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    assert Path(source_of(addon).depth) == footage / "depth.npz"


def test_what_the_panel_names_counts(addon, project, tmp_path):
    footage = moved_footage(addon, project, tmp_path)
    mesh = addon.shot.mesh
    mesh.location, mesh.name = (1, 2, 3), "mine"
    choose(addon, footage / "plate.mp4", footage / "depth.npz")
    assert addon.bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    assert addon.bpy.ops.ex4d.reconstruct(wait=True, set_scene=False) == {"FINISHED"}
    assert addon.shot.mesh == mesh
    assert (tuple(mesh.location), mesh.name) == ((1, 2, 3), "mine")
    assert Path(source_of(addon).clip) == footage / "plate.mp4"


def test_another_clip_in_the_panel_is_not_taken_for_the_lost_one(addon, project, tmp_path):
    moved_footage(addon, project, tmp_path)
    choose(addon, SHOT / "truth.mp4", SHOT / "depth.npz")
    with pytest.raises(RuntimeError, match="is missing"):
        addon.bpy.ops.ex4d.render(wait=True)


@pytest.mark.parametrize("link", [True, False])
def test_paths_belong_to_the_file_that_they_came_from(addon, project, tmp_path, link):
    """The other file has footage of the same names beside it."""
    bpy, other = addon.bpy, tmp_path / "other"
    build(addon, other)
    with bpy.data.libraries.load(str(project / "shot.blend"), link=link) as (there, here):
        here.collections = there.collections
    scene = bpy.context.scene
    scene.collection.children.link(here.collections[0])
    mesh = next(o for o in here.collections[0].objects if o.type == "MESH")
    assert Path(source_of(addon, mesh).clip) == project / "plate.mp4"
    assert Path(source_of(addon, mesh).depth) == project / "depth.npz"
    assert Path(source_of(addon).clip) == other / "plate.mp4"
    addon.shot.mesh = mesh
    assert bpy.ops.ex4d.render(wait=True) == {"FINISHED"}


@pytest.mark.parametrize("relative", [True, False])
def test_a_file_saved_elsewhere_keeps_its_clip(addon, project, tmp_path, relative):
    """Also where a clip of that name lies beside the new place."""
    bpy, there = addon.bpy, tmp_path / "there"
    there.mkdir()
    (there / "plate.mp4").write_bytes(b"another one")
    blend = str(there / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=blend, relative_remap=relative)
    if relative:
        assert Path(source_of(addon).clip) == project / "plate.mp4"
        assert bpy.ops.ex4d.render(wait=True) == {"FINISHED"}


def test_a_moved_project_is_its_new_place(addon, project, tmp_path):
    """A copy of the old one, too."""
    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    addon.bpy.ops.wm.open_mainfile(filepath=str(copy / "shot.blend"))
    assert Path(source_of(addon).clip) == copy / "plate.mp4"
    assert addon.bpy.ops.ex4d.render(wait=True) == {"FINISHED"}


def test_a_local_camera_may_have_the_linked_ones_name(addon, project, tmp_path):
    bpy = addon.bpy
    addon.shot.camera.name = "Camera"
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.read_homefile(use_empty=True)
    (tmp_path / "master").mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "master" / "master.blend"))
    scene = bpy.context.scene
    own = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    own.rotation_euler = (1.5, 0, 0)
    scene.collection.objects.link(own)
    with bpy.data.libraries.load(str(project / "shot.blend"), link=True) as (there, here):
        here.collections = there.collections
    scene.collection.children.link(here.collections[0])
    linked = {o.name: o for o in here.collections[0].objects}
    assert own.name in linked
    addon.shot.mesh = next(o for o in linked.values() if o.type == "MESH")
    addon.shot.camera = own
    assert bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    with np.load(os.path.join(bpy.path.abspath(addon.shot.takes[-1].folder), "camera.npz")) as sent:
        sample = addon.part("camera").sample_camera(scene, own, addon.shot.mesh, [1])
        np.testing.assert_allclose(sent["extrinsics"][0], sample.extrinsics[0], atol=1e-6)
    addon.shot.camera = linked["Camera"]
    curves = addon.part("compat").fcurves_of
    before = len(curves(addon.shot.camera))
    with pytest.raises(RuntimeError, match="linked from another file"):
        bpy.ops.ex4d.apply_preset()
    assert len(curves(addon.shot.camera)) == before


@pytest.mark.parametrize("note", ["null", "[]", "5"])
def test_a_note_that_somebody_overwrote_stops_neither_a_save_nor_a_look_at_paths(
    addon, project, note
):
    addon.shot.mesh["ex4d_made_of"] = note
    found = {one.path for one in addon.part("project.file_paths").file_paths()}
    assert str(project / "plate.mp4") in found
    assert addon.bpy.ops.wm.save_as_mainfile(filepath=str(project / "other.blend")) == {"FINISHED"}
    with pytest.raises(RuntimeError, match="does not say which clip it was made of"):
        addon.bpy.ops.ex4d.render(wait=True)
    assert addon.bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}  # which the sentence asks for
    assert Path(source_of(addon).clip) == project / "plate.mp4"
