"""Apply Path as artists press it, and as the redo panel repeats it."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.blender

SOME = 12  # frames


@pytest.fixture
def shot(with_mesh):
    return with_mesh


def keys_of(addon):
    curves = addon.part("compat").fcurves_of(addon.shot.camera)
    (frames,) = {tuple(point.co.x for point in curve.keyframe_points) for curve in curves}
    return frames


def test_25_a_path_is_few_keys_or_one_a_frame(shot):
    shot.shot.preset, shot.shot.easing = "30", "linear"
    assert shot.bpy.ops.ex4d.apply_preset() == {"FINISHED"}
    assert len(keys_of(shot)) <= 3
    assert shot.bpy.ops.ex4d.apply_preset(one_key_a_frame=True) == {"FINISHED"}
    assert keys_of(shot) == tuple(range(1, SOME + 1))


def test_25_what_the_redo_panel_says_is_done_and_the_panel_follows(shot):
    """Without a window a redo is a call with what its panel shows."""
    bpy, settings = shot.bpy, shot.shot
    settings.preset, settings.amount = "zoom_in", 0.5
    assert bpy.ops.ex4d.apply_preset(preset="zoom_out", amount=2) == {"FINISHED"}
    assert (settings.preset, settings.amount, settings.easing) == ("zoom_out", 2, "smooth")
    moved = settings.camera.matrix_world.copy()
    bpy.context.scene.frame_set(SOME)
    assert (settings.camera.matrix_world.translation - moved.translation).length > 0.1
    properties = bpy.ops.ex4d.apply_preset.get_rna_type().properties
    assert not any(properties[name].is_hidden for name in ("preset", "amount", "easing"))


def test_25_a_refused_path_leaves_the_panel_as_it_was(shot):
    shot.shot.preset = "30"
    shot.shot.camera.constraints.new("TRACK_TO")
    with pytest.raises(RuntimeError, match="constraint"):
        shot.bpy.ops.ex4d.apply_preset(preset="90")
    assert shot.shot.preset == "30"
