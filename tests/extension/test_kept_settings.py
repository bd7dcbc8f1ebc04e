"""Another clip: what the panel keeps of the one before is said, what lies beside it is offered."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.extension.drawn import draw
from tests.extension.rig import SHOT

pytestmark = pytest.mark.blender


@pytest.fixture
def other(tmp_path):
    """Another clip, with depth beside it that has another aspect."""
    shutil.copy(SHOT / "input.mp4", tmp_path / "other.mp4")
    with np.load(SHOT / "depth.npz") as arrays:
        np.savez(tmp_path / "depth.npz", depth=arrays["depth"][:2, :100])
    return tmp_path / "other.mp4"


def test_20_depth_and_camera_of_the_clip_before_are_said_to_be_kept(addon, other):
    bpy, shot = addon.bpy, addon.shot
    addon.choose_clip(2)
    camera = bpy.data.objects.new("tracked", bpy.data.cameras.new("tracked"))
    bpy.context.scene.collection.objects.link(camera)
    shot.solved_camera = camera
    assert "another clip" not in draw(addon, "depth").text + draw(addon, "clip").text
    shot.clip = str(other)
    assert "This depth was chosen for another clip" in draw(addon, "depth").text
    assert "'tracked' was chosen for another clip" in draw(addon, "clip").text
    shot.clip = str(other)  # once more: it is not another one now
    assert "another clip" in draw(addon, "depth").text
    shot.depth.file, shot.solved_camera = shot.depth.file, None
    assert "another clip" not in draw(addon, "depth").text + draw(addon, "clip").text


def test_20_depth_beside_the_clip_is_offered_and_what_the_server_warns_of_is_shown(
    addon, server, other
):
    shot = addon.shot
    addon.use(server)
    shot.clip, shot.num_frames, shot.grid_stride = str(other), 2, "4"
    offer = draw(addon, "depth").operators["ex4d.use_depth"]
    assert offer.path == str(other.with_name("depth.npz"))
    assert addon.bpy.ops.ex4d.use_depth(path=offer.path) == {"FINISHED"}
    assert "ex4d.use_depth" not in draw(addon, "depth").operators
    assert addon.bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}
    assert "is stretched to 480x272" in draw(addon, "reconstruct").text
    assert addon.bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    assert "is stretched to" in shot.takes[-1].note
