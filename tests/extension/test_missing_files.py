"""A file that is gone is named; nothing is started that needs it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.extension.drawn import draw
from tests.extension.rig import SHOT

pytestmark = pytest.mark.blender

SOME = 2  # frames


@pytest.fixture
def project(addon, server, tmp_path):
    """A saved project with its own footage and a mesh."""
    addon.use(server)
    for name in ("input.mp4", "depth.npz"):
        shutil.copy(SHOT / name, tmp_path)
    addon.bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    shot = addon.shot
    shot.clip, shot.depth.file = "//input.mp4", "//depth.npz"
    shot.num_frames, shot.grid_stride = SOME, "4"
    assert addon.bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}
    return addon


def test_27_nothing_is_said_while_all_is_there(project):
    assert "lacks" not in draw(project, "camera").text
    assert "missing" not in draw(project, "render").text
    assert project.bpy.ops.ex4d.render.poll()


@pytest.mark.parametrize("name", ["input.mp4", "depth.npz"])
def test_27_what_a_take_is_rendered_with_is_named_and_render_is_grey(project, tmp_path, name):
    (tmp_path / name).unlink()
    assert str(tmp_path / name) in draw(project, "render").text
    assert not project.bpy.ops.ex4d.render.poll()
    with pytest.raises(RuntimeError, match=name):
        project.bpy.ops.ex4d.render(wait=True)
    shutil.copy(SHOT / name, tmp_path)
    assert project.bpy.ops.ex4d.render.poll()


def test_27_what_the_mesh_plays_from_is_named(project, tmp_path):
    cache = next(m for m in project.shot.mesh.modifiers if m.type == "MESH_CACHE")
    positions = Path(project.bpy.path.abspath(cache.filepath))
    positions.unlink()
    assert f"lacks {positions.name} of {positions.parent}" in draw(project, "camera").text
    (positions.parent / "mesh_holes_00000.png").unlink()
    said = draw(project, "camera").text
    assert "mesh.pc2" in said
    assert "mesh_holes_00000.png" in said
    (tmp_path / "input.mp4").unlink()
    assert "input.mp4" in draw(project, "camera").text
    assert project.bpy.ops.ex4d.reconstruct.poll() is False
