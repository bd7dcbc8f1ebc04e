"""A take becomes a strip of the right length at the right place, or nothing changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs pip's bpy")

from extension.blender_addon.compat import (  # noqa: E402
    all_strips,
    scene_of_shown_strips,
    strip_content_frames,
    strip_range,
    strips_of,
)
from extension.blender_addon.errors import MovieError, SequencerError  # noqa: E402
from extension.blender_addon.takes.strip_insertion import Take, insert_take  # noqa: E402

pytestmark = pytest.mark.blender

RATES = {"24": (24, 1.0), "25": (25, 1.0), "29.97": (30, 1.001), "30": (30, 1.0), "60": (60, 1.0)}


def take_of(path):
    return Take(path, "Take 1", "job-7", (1 << 32) - 1, "preview", 10, (64, 48))


@pytest.mark.parametrize("rate", RATES)
def test_strip_has_the_clips_length_and_start_at_each_rate(scene, make_movie, rate):
    path = make_movie(fps=RATES[rate])
    scene.render.fps, scene.render.fps_base = RATES[rate]
    inserted = insert_take(scene, take_of(path), 101)
    assert strip_range(inserted.strip) == (101, 111)
    assert strip_content_frames(inserted.strip) == 10
    assert [note[:7] for note in inserted.notes] == ["Renders"]
    assert inserted.strip["ex4d_job_id"] == "job-7"
    assert inserted.strip["ex4d_engine"] == "preview"
    assert int(inserted.strip["ex4d_seed"]) == (1 << 32) - 1
    assert scene_of_shown_strips(bpy.context.window) == scene
    for workspace in bpy.data.workspaces:  # 5.x shows no strips otherwise
        assert getattr(workspace, "sequencer_scene", scene) == scene


@pytest.mark.parametrize("rate", RATES)
def test_the_first_and_the_last_picture_are_the_clips(scene, make_movie, tmp_path, rate):
    path = make_movie(fps=RATES[rate])
    render = scene.render
    render.fps, render.fps_base = RATES[rate]
    render.resolution_x, render.resolution_y = 64, 48
    scene.view_settings.view_transform = "Standard"
    insert_take(scene, take_of(path), 101)
    render.use_sequencer = True
    for frame, grey in ((101, 20), (110, 20 + 8 * 9)):
        scene.frame_set(frame)
        render.filepath = str(tmp_path / "picture.png")
        render.image_settings.file_format = "PNG"
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(render.filepath, check_existing=False)
        shown = 255 * np.mean(np.array(image.pixels[:]).reshape(-1, 4)[:, :3])
        assert shown == pytest.approx(grey, abs=3)
        bpy.data.images.remove(image)


@pytest.mark.parametrize(("clip", "scene_rate"), [("30", "29.97"), ("24", "25"), ("60", "30")])
def test_another_rate_is_noted_and_the_length_stays(scene, make_movie, clip, scene_rate):
    path = make_movie(fps=RATES[clip])
    scene.render.fps, scene.render.fps_base = RATES[scene_rate]
    inserted = insert_take(scene, take_of(path), 1)
    assert strip_range(inserted.strip) == (1, 11)
    assert "frames per second" in inserted.notes[0]


def test_takes_go_to_the_lowest_channel_above_the_takes_there(scene, make_movie):
    take = take_of(make_movie())
    channels = [insert_take(scene, take, start).channel for start in (1, 1, 5, 15, 11)]
    assert channels == [1, 2, 3, 1, 4]


def test_a_muted_channel_is_left_out_and_nothing_else_is_selected(scene, make_movie):
    path = make_movie()
    own = strips_of(scene).new_movie(name="own", filepath=str(path), channel=1, frame_start=1)
    scene.sequence_editor.active_strip = own
    scene.sequence_editor.channels[2].mute = True
    strip = insert_take(scene, take_of(path), 1).strip
    assert strip.channel == 3
    assert own.select
    assert not strip.select
    assert scene.sequence_editor.active_strip == own


@pytest.mark.parametrize("own", [False, True])
def test_a_render_shows_after_a_take_what_it_showed_before(scene, make_movie, own):
    """The 3D scene; or the artist's own strips."""
    path = make_movie()
    if own:
        strips_of(scene).new_movie(name="own", filepath=str(path), channel=1, frame_start=1)
    notes = insert_take(scene, take_of(path), 1).notes
    assert scene.render.use_sequencer == own
    assert any("Sequencer" in note for note in notes) != own
    assert insert_take(scene, take_of(path), 1).notes == ()
    scene.render.use_sequencer = True  # the artist wants the takes
    insert_take(scene, take_of(path), 1)
    assert scene.render.use_sequencer


VIEWS = ["AgX", "Filmic", "Khronos PBR Neutral", "ACES 1.3", "ACES 2.0"]


@pytest.mark.parametrize("view", VIEWS)
def test_a_strip_shows_as_its_clip_whatever_the_view(scene, make_movie, tmp_path, view):
    try:
        scene.view_settings.view_transform = view
    except TypeError:
        pytest.skip(f"this Blender has no {view}")
    render = scene.render
    render.resolution_x, render.resolution_y = 64, 48
    render.image_settings.file_format = "PNG"
    insert_take(scene, take_of(make_movie()), 1)
    assert scene.view_settings.view_transform == view
    render.use_sequencer = True
    for frame in (1, 6, 10)[view.startswith("Khronos") :]:  # its darkest greys have no inverse
        scene.frame_set(frame)
        render.filepath = str(tmp_path / "picture.png")
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(render.filepath, check_existing=False)
        shown = 255 * np.mean(np.array(image.pixels[:]).reshape(-1, 4)[:, :3])
        assert shown == pytest.approx(20 + 8 * (frame - 1), abs=3)
        bpy.data.images.remove(image)


def test_what_no_strip_can_undo_of_the_view_is_noted(scene, make_movie):
    path = make_movie()
    scene.view_settings.view_transform = "False Color"
    assert any("False Color" in note for note in insert_take(scene, take_of(path), 1).notes)
    scene.view_settings.view_transform, scene.view_settings.exposure = "Standard", 1
    assert any("exposure" in note for note in insert_take(scene, take_of(path), 1).notes)


def test_conditions_and_takes_inside_of_a_meta_strip_are_found(scene, make_movie):
    path = make_movie()
    own = insert_take(scene, take_of(path), 1).strip
    meta = strips_of(scene).new_meta(name="meta", channel=5, frame_start=1)
    own.move_to_meta(meta)
    found = [strip for _, strip in all_strips(scene) if "ex4d_job_id" in strip]
    assert len(found) == 1
    over = insert_take(scene, take_of(path), 1, over=found[0])
    assert over.strip.parent_meta() == meta
    assert over.channel > found[0].channel


def test_a_full_sequencer_is_refused(scene, make_movie):
    take = take_of(make_movie(n_frames=10))
    for _ in range(128):
        insert_take(scene, take, 1)
    with pytest.raises(SequencerError, match="128 channels"):
        insert_take(scene, take, 1)


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "text", "picture"])
def test_a_broken_movie_changes_nothing(scene, make_movie, tmp_path, damage):
    path = make_movie()
    n_images = len(bpy.data.images)
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "picture":
        import numpy as np
        from extension.blender_addon.jobs.cache_files import write_png

        path = tmp_path / "picture.png"
        write_png(path, np.ones((48, 64), np.bool_))
    else:
        path.write_bytes({"empty": b"", "cut": content[:600], "text": b"no movie" * 99}[damage])
    with pytest.raises(MovieError):
        insert_take(scene, take_of(path), 1)
    assert len(strips_of(scene)) == 0
    assert len(bpy.data.images) == n_images


@pytest.mark.parametrize("promise", [{"n_frames": 49}, {"size": (640, 480)}])
def test_a_movie_other_than_promised_is_refused(scene, make_movie, promise):
    with pytest.raises(MovieError, match="not"):
        insert_take(scene, replace(take_of(make_movie()), **promise), 1)
    assert len(strips_of(scene)) == 0
