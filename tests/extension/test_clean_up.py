"""Only what nothing uses is deleted: neither this file nor another of its project; and the panel
keeps what is over elsewhere in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.extension.drawn import draw

pytestmark = pytest.mark.blender


@pytest.fixture
def project(addon, server, tmp_path):
    """A saved file whose mesh was made three times; it plays from the last."""
    addon.use(server)
    addon.bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    addon.shot.grid_stride = "4"
    for _ in range(3):
        addon.reconstruct(3)
    addon.bpy.ops.wm.save_mainfile()
    return tmp_path


def full(project):
    """The names of the folders that hold positions."""
    return [path.parent.name for path in sorted(project.glob("ex4d/input/*/mesh.pc2"))]


def clean_up(addon):
    assert addon.bpy.ops.ex4d.clean_up() == {"FINISHED"}


def old_meshes(addon):
    current = addon.session
    return addon.part("project.old_meshes").find_old_meshes(
        current.unsaved.root, current.runner.reads
    )


def test_34_clean_up_names_and_deletes_what_nothing_uses(addon, project):
    found = old_meshes(addon)
    sizes = [path.stat().st_size for path in project.glob("ex4d/input/mesh_00[12]/*")]
    assert [folder.name for folder in found.folders] == ["mesh_001", "mesh_002"]
    assert found.size_bytes == sum(sizes) > 0
    assert found.kept == ()
    clean_up(addon)
    assert full(project) == ["mesh_003"]
    assert addon.part("project.mesh_files").missing_shown(addon.shot.mesh) == ""
    addon.reconstruct(3)  # no other mesh takes the old places
    assert full(project) == ["mesh_003", "mesh_004"]


@pytest.mark.parametrize("compress", [False, True])
def test_34_what_another_file_of_the_project_uses_stays(addon, project, compress):
    bpy = addon.bpy
    other = project / "scenes" / "other.blend"
    other.parent.mkdir()
    cache = next(m for m in addon.shot.mesh.modifiers if m.type == "MESH_CACHE")
    now, cache.filepath = cache.filepath, cache.filepath.replace("mesh_003", "mesh_001")
    bpy.ops.wm.save_as_mainfile(filepath=str(other), copy=True, compress=compress)
    cache.filepath = now
    clean_up(addon)
    assert full(project) == ["mesh_001", "mesh_003"]
    assert old_meshes(addon).kept == ("input/mesh_001 stays: other.blend may use it.",)


def test_34_what_is_left_of_an_older_path_behind_a_shorter_one_is_no_use(addon, project):
    """Blender keeps it in the file."""
    bpy = addon.bpy
    cache = next(m for m in addon.shot.mesh.modifiers if m.type == "MESH_CACHE")
    now = cache.filepath
    cache.filepath = f"/somewhere/that/is/longer/{now[2:].replace('mesh_003', 'mesh_001')}"
    cache.filepath = now
    bpy.ops.wm.save_as_mainfile(filepath=str(project / "shot.blend"), compress=False)
    assert b"input/mesh_001" in (project / "shot.blend").read_bytes()
    (project / "shot.blend1").unlink()
    clean_up(addon)
    assert full(project) == ["mesh_003"]


@pytest.mark.parametrize("content", [b"BLENDER-v500", b"\x28\xb5\x2f\xfdcut", b"", b"other"])
def test_34_a_file_that_cannot_be_read_may_use_everything(addon, project, content):
    (project / "cut.blend").write_bytes(content)
    clean_up(addon)
    assert full(project) == ["mesh_001", "mesh_002", "mesh_003"]


def test_34_what_other_scenes_and_takes_use_stays(addon, project):
    bpy = addon.bpy
    image = bpy.data.images.load(str(project / "ex4d/input/mesh_001/mesh_holes_00000.png"))
    take = addon.shot.takes.add()
    take.request = f'{{"source": {{"depth": "{project}/ex4d/input/mesh_002/depth.npz"}}}}'
    clean_up(addon)
    assert full(project) == ["mesh_001", "mesh_002", "mesh_003"]
    bpy.data.images.remove(image)
    addon.shot.takes.clear()
    clean_up(addon)
    assert full(project) == ["mesh_003"]


def test_34_what_the_saved_file_uses_stays_until_it_is_saved_again(addon, project):
    addon.reconstruct(3)
    clean_up(addon)
    assert full(project) == ["mesh_003", "mesh_004"]


def test_34_what_the_artist_put_there_stays(addon, project):
    mine = project / "ex4d" / "input" / "mesh_001" / "notes.txt"
    mine.write_text("mine")
    clean_up(addon)
    assert mine.read_text() == "mine"
    assert full(project) == ["mesh_001", "mesh_003"]


def test_34_a_folder_that_projects_share_is_left_alone(addon, project):
    bpy = addon.bpy
    (project / "own").mkdir()
    addon.shot.folder = str(project / "ex4d")
    bpy.ops.wm.save_as_mainfile(filepath=str(project / "own" / "shot.blend"))
    clean_up(addon)
    assert full(project) == ["mesh_001", "mesh_002", "mesh_003"]
    assert "not this project's own" in old_meshes(addon).kept[0]


def test_34_an_unsaved_file_is_told_to_be_saved(addon, server):
    addon.use(server)
    with pytest.raises(RuntimeError, match="Save the file first"):
        addon.bpy.ops.ex4d.clean_up()


def test_34_work_under_way_keeps_its_folder(addon, project):
    addon.bpy.ops.ex4d.reconstruct()
    clean_up(addon)
    addon.until(lambda: not addon.session.runner.busy, "the mesh")
    assert full(project) == ["mesh_003", "mesh_004"]
    assert Path(addon.bpy.path.abspath(addon.shot.mesh.modifiers[0].filepath)).is_file()


@pytest.mark.parametrize("kind", ["NEW", "EMPTY"])  # the latter has the settings of the first
def test_30_what_is_over_in_other_scenes_is_one_line(addon, project, kind):
    bpy, first = addon.bpy, addon.bpy.context.scene
    drawn = draw(addon, "reconstruct")
    assert drawn.labels.count("Done") == 1
    assert "2 finished before" in drawn.labels
    assert len(drawn.operators["ex4d.dismiss"].key.split()) == 2
    bpy.ops.scene.new(type=kind)
    drawn = draw(addon, "reconstruct")
    assert "3 finished in other scenes" in drawn.labels
    assert "Done" not in drawn.labels
    bpy.ops.ex4d.dismiss(key=drawn.operators["ex4d.dismiss"].key)
    assert addon.tasks == []
    bpy.context.window.scene = first
    assert "Done" not in draw(addon, "reconstruct").labels


def test_30_what_is_under_way_elsewhere_keeps_its_box(addon, project):
    addon.bpy.ops.ex4d.reconstruct()
    addon.bpy.ops.scene.new(type="NEW")
    assert "ex4d.cancel" in draw(addon, "reconstruct").operators
    addon.until(lambda: not addon.session.runner.busy, "the mesh")


def test_34_the_panel_says_where_the_files_lie(addon, server, tmp_path):
    addon.use(server)
    addon.reconstruct(3)
    drawn = draw(addon, "reconstruct")
    assert "come beside it" in drawn.text
    assert "ex4d.clean_up" not in drawn.operators
    addon.bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    drawn = draw(addon, "reconstruct")
    assert "beside" not in drawn.text
    assert "ex4d.clean_up" in drawn.operators
    assert "ex4d.move_beside" not in drawn.operators
