"""What was made before the first save comes beside the file with it, and is not lost on the way."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

from tests.extension.drawn import draw

pytestmark = pytest.mark.blender


@pytest.fixture
def made(addon, server):
    """A mesh and a take in a file that was never saved."""
    addon.use(server)
    shutil.rmtree(addon.session.unsaved.root, ignore_errors=True)
    addon.shot.grid_stride = "4"
    addon.reconstruct(3)
    assert addon.bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    assert {folder.name for folder in kept_by_extension(addon)} == {"mesh_001", "take_001"}
    return addon


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def kept_by_extension(addon):
    """The folders of meshes and takes in the extension's folder that hold their files."""
    found = addon.session.unsaved.root.glob("*/*/*_???")
    return [folder for folder in found if any(one.name != "moved.txt" for one in folder.iterdir())]


def led_to_extension(addon):
    """What of the open file leads into the extension's folder."""
    paths = addon.part("project.file_paths")
    root = addon.session.unsaved.root
    return [found for found in paths.file_paths() if paths.place_in(found.path, root)]


def save(addon, target, **options):
    return addon.bpy.ops.wm.save_as_mainfile(filepath=str(target), **options)


def reopen(addon, target):
    addon.bpy.ops.wm.read_homefile(use_empty=True)
    addon.bpy.ops.wm.open_mainfile(filepath=str(target))


def is_whole(addon):
    """The mesh plays, and a take can be rendered."""
    assert addon.part("project.mesh_files").missing_shown(addon.shot.mesh) == ""
    assert addon.part("project.mesh_files").why_no_source(addon.shot.mesh) == ""
    take = addon.shot.takes[0]
    folder = addon.part("takes.take").folder_of_take(take)
    assert (folder / "result.mp4").is_file()
    assert addon.part("jobs.take_files").read_take(folder)[0].folder == str(folder)
    first = positions(addon)
    addon.bpy.context.scene.frame_set(3)
    assert np.abs(positions(addon) - first).max() > 0  # it plays
    addon.bpy.context.scene.frame_set(1)
    return True


def positions(addon):
    graph = addon.bpy.context.evaluated_depsgraph_get()
    mesh = addon.shot.mesh.evaluated_get(graph).data
    found = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", found)
    return found


def test_34_the_first_save_brings_mesh_and_takes_beside_the_file(made, project):
    """Uninstalling then takes nothing away; and the whole project can be moved."""
    save(made, project / "shot.blend")
    assert led_to_extension(made) == kept_by_extension(made) == []
    assert sorted(f.name for f in (project / "ex4d" / "input").iterdir()) == [
        "mesh_001",
        "take_001",
    ]
    assert is_whole(made)
    shutil.rmtree(made.session.unsaved.root)
    there = project.with_name("there")
    project.rename(there)
    reopen(made, there / "shot.blend")
    assert is_whole(made)
    assert all(
        modifier.filepath.startswith("//ex4d/")
        for modifier in made.shot.mesh.modifiers
        if modifier.type == "MESH_CACHE"
    )
    assert made.bpy.ops.ex4d.render(wait=True) == {"FINISHED"}


def test_34_copies_and_other_scenes_are_led_there_too(made, project):
    bpy = made.bpy
    copy = made.shot.mesh.copy()
    bpy.ops.scene.new(type="FULL_COPY")
    bpy.context.scene.collection.objects.link(copy)
    clip = bpy.data.movieclips.load(
        str(next(made.session.unsaved.root.glob("*/*/take_001/result.mp4")))
    )
    clip.use_fake_user = True
    save(made, project / "shot.blend")
    assert led_to_extension(made) == kept_by_extension(made) == []
    reopen(made, project / "shot.blend")
    assert led_to_extension(made) == []
    assert Path(bpy.path.abspath(bpy.data.movieclips[0].filepath)).is_file()


def test_34_an_undo_finds_mesh_and_take_where_they_are_now(made, project):
    bpy = made.bpy
    bpy.ops.ed.undo_push(message="made")
    bpy.context.scene.ex4d.seed = "7"
    bpy.ops.ed.undo_push(message="seed")
    save(made, project / "shot.blend")
    bpy.ops.ed.undo()
    assert made.shot.seed == "0"
    assert led_to_extension(made) == []
    assert is_whole(made)


def test_34_a_take_that_an_undo_takes_away_comes_back_from_its_new_place(made, project):
    bpy = made.bpy
    bpy.ops.ed.undo_push(message="made")
    bpy.context.scene.ex4d.seed = "7"
    bpy.ops.ed.undo_push(message="seed")
    assert bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    save(made, project / "shot.blend")
    bpy.ops.ed.undo()
    assert [take.seed for take in made.shot.takes] == ["0", "7"]
    assert led_to_extension(made) == []
    assert is_whole(made)


def test_34_a_file_written_before_is_led_to_the_new_place_when_it_is_opened(made, project):
    """As one that Blender recovers."""
    recovered = project / "recovered.blend"
    made.session.unsaved.root.rename(project / "aside")  # so that this save finds nothing to move
    save(made, recovered, copy=True)
    (project / "aside").rename(made.session.unsaved.root)
    save(made, project / "shot.blend")
    assert kept_by_extension(made) == []
    reopen(made, recovered)
    assert led_to_extension(made) == []
    assert is_whole(made)


def test_34_a_copy_has_its_own_and_the_open_file_keeps_the_originals(made, project):
    before = {(found.user, found.text) for found in led_to_extension(made)}
    save(made, project / "copy.blend", copy=True)
    assert {(found.user, found.text) for found in led_to_extension(made)} == before
    assert len(kept_by_extension(made)) == 2
    assert is_whole(made)
    reopen(made, project / "copy.blend")
    assert led_to_extension(made) == []
    assert is_whole(made)


@pytest.mark.parametrize("name", ["shot.blend", "missing/shot.blend"])
def test_34_a_save_that_fails_changes_nothing(made, project, name):
    (project / "shot.blend@").mkdir()  # where Blender writes first
    before = {(found.user, found.text) for found in led_to_extension(made)}
    with pytest.raises(RuntimeError):
        save(made, project / name)
    assert {(found.user, found.text) for found in led_to_extension(made)} == before
    assert len(kept_by_extension(made)) == 2
    assert list(project.glob("**/*.pc2")) == []
    assert not (project / "missing").exists()
    assert is_whole(made)


def test_34_what_cannot_be_brought_stays_and_is_named_and_can_be_moved_later(made, project):
    (project / "ex4d").write_text("no folder")
    save(made, project / "shot.blend")
    assert "of input stays" in made.session.unsaved.problem
    assert len(kept_by_extension(made)) == 2
    assert is_whole(made)
    (project / "ex4d").unlink()
    assert made.bpy.ops.ex4d.move_beside() == {"FINISHED"}
    assert led_to_extension(made) == []
    assert len(kept_by_extension(made)) == 2  # the file on disk still plays from them
    made.bpy.ops.wm.save_mainfile()
    reopen(made, project / "shot.blend")
    assert led_to_extension(made) == []
    assert is_whole(made)


def test_34_between_disks_files_are_copied_whole(made):
    elsewhere = Path("/dev/shm")  # noqa: S108
    root = made.session.unsaved.root
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == root.stat().st_dev:
        pytest.skip("there is no second disk")
    before = {path.name: path.read_bytes() for path in root.rglob("*.pc2")}
    with tempfile.TemporaryDirectory(dir=elsewhere) as project:
        save(made, Path(project) / "shot.blend")
        assert led_to_extension(made) == kept_by_extension(made) == []
        assert {path.name: path.read_bytes() for path in Path(project).rglob("*.pc2")} == before
        assert is_whole(made)
        made.bpy.ops.wm.read_homefile(use_empty=True)


@pytest.fixture
def other_disk(made):
    elsewhere = Path("/dev/shm")  # noqa: S108
    root = made.session.unsaved.root
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == root.stat().st_dev:
        pytest.skip("there is no second disk")
    with tempfile.TemporaryDirectory(dir=elsewhere) as project:
        yield Path(project)
        made.bpy.ops.wm.read_homefile(use_empty=True)


def test_34_what_is_large_is_copied_to_another_disk_after_the_save(made, other_disk, monkeypatch):
    """Nothing leads to what is not whole; the file on disk is right in between, too."""
    bpy, unsaved = made.bpy, made.session.unsaved
    monkeypatch.setattr(made.part("project.unsaved_files"), "AT_ONCE_BYTES", 0)
    save(made, other_disk / "shot.blend")
    assert "being copied" in draw(made, "reconstruct").text
    assert len(led_to_extension(made)) > 0
    bpy.ops.wm.save_mainfile()  # begins nothing anew
    assert is_whole(made)
    made.until(lambda: not unsaved.tick() and not led_to_extension(made), "the copies")
    assert "save it once more" in draw(made, "reconstruct").text
    assert is_whole(made)
    names = sorted(folder.name for folder in (other_disk / "ex4d" / "input").iterdir())
    assert names == ["mesh_001", "take_001"]
    reopen(made, other_disk / "shot.blend")
    assert is_whole(made)
    save(made, other_disk / "shot.blend")
    assert led_to_extension(made) == []
    assert unsaved.problem == ""
    shutil.rmtree(unsaved.root)
    reopen(made, other_disk / "shot.blend")
    assert is_whole(made)


def test_34_a_copy_that_is_stopped_leaves_nothing_behind(made, other_disk, monkeypatch):
    monkeypatch.setattr(made.part("project.unsaved_files"), "AT_ONCE_BYTES", 0)
    save(made, other_disk / "shot.blend")
    made.session.unsaved.late.close()
    whole = {"mesh_001", "take_001"}  # a small one may have been
    for folder in (other_disk / "ex4d" / "input").iterdir():
        assert folder.name in whole
        assert any(folder.iterdir())
    assert is_whole(made)


def test_34_a_take_under_way_comes_in_and_moves_with_the_next_save(made, project):
    made.bpy.ops.ex4d.render()
    save(made, project / "shot.blend")
    made.until(lambda: not made.session.runner.busy, "the take")
    assert len(made.shot.takes) == 2
    made.bpy.ops.wm.save_mainfile()
    assert led_to_extension(made) == []
    reopen(made, project / "shot.blend")
    assert led_to_extension(made) == []
    take = made.part("takes.take").folder_of_take(made.shot.takes[1])
    assert take == project / "ex4d" / "input" / "take_002"
    assert (take / "result.mp4").is_file()
