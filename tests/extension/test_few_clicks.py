"""From an empty file to the first result by few clicks, each of which does one thing."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.extension.drawn import Drawn, draw
from tests.extension.rig import SHOT, strips

pytestmark = pytest.mark.blender


def in_a_view(addon):
    """The context of the window's first 3D view."""
    window = addon.bpy.context.window
    area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
    return addon.bpy.context.temp_override(window=window, area=area)


def pressed(addon, operator, **options) -> set[str]:
    """A press of a button, whose operator is asked and then does its work."""
    with in_a_view(addon):
        return operator("INVOKE_DEFAULT", **options)


def clip_beside_depth(folder):
    shutil.copy(SHOT / "input.mp4", folder / "plate.mp4")
    shutil.copy(SHOT / "depth.npz", folder / "depth.npz")
    return folder / "plate.mp4"


def test_37_four_clicks_make_a_take_of_an_opened_clip(addon, server, tmp_path):
    """In a window four more come before: N, the tab, Open Clip and the file."""
    addon.use(server)
    bpy, ops, shot = addon.bpy, addon.bpy.ops.ex4d, addon.shot
    assert ops.open_clip(filepath=str(clip_beside_depth(tmp_path))) == {"FINISHED"}  # Open
    shot.num_frames = 2  # a test has little time
    for operator in (ops.reconstruct, ops.apply_preset, ops.render):
        assert operator.poll()
        assert pressed(addon, operator) == {"FINISHED"}
        addon.until(lambda: all(task.over for task in addon.tasks), "the end")
    assert [task.state.value for task in addon.tasks] == ["done", "done"]
    assert [strip.name for strip in strips(bpy.context.scene)] == ["plate take 1"]


def test_37_depth_beside_a_clip_is_taken_with_it_else_it_is_estimated(addon, tmp_path):
    open_clip, depth = addon.bpy.ops.ex4d.open_clip, addon.shot.depth
    assert open_clip(filepath=str(SHOT / "input.mp4")) == {"FINISHED"}
    assert depth.kind == "FILE"
    assert depth.file.endswith("depth.npz")
    depth.file = ""
    alone = shutil.copy(SHOT / "input.mp4", tmp_path / "alone.mp4")
    assert open_clip(filepath=str(alone)) == {"FINISHED"}
    assert depth.kind == "ESTIMATE"
    with pytest.raises(RuntimeError, match="There is no such clip"):
        open_clip(filepath=str(tmp_path / "none.mp4"))


def test_37_file_browsers_show_only_what_fits(addon, tmp_path):
    """Blender's own folder button, which a path property has, would show every file."""
    shown = {}
    for name in ("open_clip", "open_depth", "import_camera"):
        kind = getattr(addon.bpy.ops.ex4d, name).get_rna_type()
        shown[name] = set(kind.properties["filter_glob"].default.split(";"))
    assert {"*.mp4", "*.mov", "*.exr", "*.dpx"} <= shown["open_clip"]
    assert shown["open_depth"] == {"*.npz", "*.exr", "*.png", "*.tif", "*.tiff"}
    assert shown["import_camera"] == {"*.npz"}
    take_in = addon.bpy.ops.ex4d.take_in.get_rna_type()
    assert take_in.properties["filter_folder"].default
    for group, name in ((addon.shot, "clip"), (addon.shot.depth, "file")):
        assert group.bl_rna.properties[name].subtype == "NONE"
    assert "ex4d.open_clip" in draw(addon, "clip").operators
    assert "ex4d.open_depth" in draw(addon, "depth").operators
    chosen = str(shutil.copy(SHOT / "depth.npz", tmp_path / "mine.npz"))
    assert addon.bpy.ops.ex4d.open_depth(filepath=chosen) == {"FINISHED"}
    assert (addon.shot.depth.kind, addon.shot.depth.file) == ("FILE", chosen)
    with pytest.raises(RuntimeError, match="There is no such depth file"):
        addon.bpy.ops.ex4d.open_depth(filepath=str(tmp_path / "none.npz"))


def test_37_a_movie_dropped_on_a_3d_view_is_the_clip(addon, tmp_path):
    """What Blender does at a drop, which it does in a window alone."""
    clip, handler = clip_beside_depth(tmp_path), addon.bpy.types.EX4D_FH_clip
    assert ".mp4" in handler.bl_file_extensions.split(";")
    with in_a_view(addon):
        assert handler.poll_drop(addon.bpy.context)
    assert not handler.poll_drop(SimpleNamespace(area=SimpleNamespace(type="OUTLINER")))
    space, name = handler.bl_import_operator.split(".")
    importer = getattr(getattr(addon.bpy.ops, space), name)
    given = {"directory": str(tmp_path), "files": [{"name": clip.name}]}
    assert pressed(addon, importer, **given) == {"FINISHED"}
    assert addon.shot.clip == str(clip)
    assert addon.shot.clip_frames == 49


def test_37_a_double_click_begins_one_thing_and_a_later_click_another(addon):
    """Blender asks operators in a window alone, so the buttons' own base is pressed here."""
    base, operators = addon.part("ui.operator_base"), addon.part("ui.operators")
    for button in (operators.EX4D_OT_reconstruct, operators.EX4D_OT_render):
        assert issubclass(button, base.OnceOperator)
        assert button.invoke is base.OnceOperator.invoke

    class Button(base.OnceOperator):
        begun = 0

        def ask(self, _context) -> set[str]:
            Button.begun += 1
            return {"FINISHED"}

    assert Button().invoke(None, None) == {"FINISHED"}
    assert Button().invoke(None, None) == {"CANCELLED"}
    assert Button.begun == 1
    Button._ended_s -= base._DOUBLE_CLICK_S
    assert Button().invoke(None, None) == {"FINISHED"}
    assert Button.begun == 2


def test_37_what_failed_can_be_tried_again(addon, server):
    addon.use(server)
    addon.choose_clip(2)
    assert addon.bpy.ops.ex4d.reconstruct() == {"FINISHED"}
    (task,) = addon.tasks
    addon.bpy.ops.ex4d.cancel(key=task.request.key)
    addon.until(lambda: task.over, "the end")
    assert task.state.value == "cancelled"
    assert "ex4d.retry" in draw(addon, "reconstruct").operators
    assert addon.bpy.ops.ex4d.retry(key=task.request.key) == {"FINISHED"}
    (again,) = addon.tasks
    assert again.request.key != task.request.key
    assert again.request.folder == task.request.folder
    addon.until(lambda: again.over, "the end")
    assert again.state.value == "done", again.text
    assert addon.shot.mesh is not None


def test_37_the_status_bar_says_what_came_in_and_is_given_back(addon, server):
    addon.use(server)
    addon.reconstruct(num_frames=2)
    bar = addon.session.status_bar
    assert bar.text == "EX-4D: input is here."
    bar.follow(addon.tasks, bar._until_s)
    assert bar.text == ""
    bar.follow(addon.tasks, bar._until_s)
    assert bar.text == "", "it is said once"


def test_37_f3_finds_every_step_in_a_menu(addon):
    drawn = Drawn()
    menus = addon.part("ui.menus")
    menus.EX4D_MT_steps.draw(type("Menu", (), {"layout": drawn})(), addon.bpy.context)
    steps = ("open_clip", "reconstruct", "apply_preset", "render", "take_in", "connect")
    assert {f"ex4d.{step}" for step in steps} <= set(drawn.operators)
    for name, draw_entry in menus._ADDED.items():
        assert draw_entry in getattr(addon.bpy.types, name)._dyn_ui_initialize()


def test_37_takes_begin_with_what_tells_them_apart(addon, server):
    addon.use(server)
    addon.reconstruct(num_frames=2)
    assert addon.bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    (take,) = addon.shot.takes
    words = addon.part("ui.take_words")
    assert words.take_words(take).startswith("001 · Draft · ")
    assert words.take_words(take).endswith(" %")
    assert "Draft, seed 0" in draw(addon, "takes").text
    assert "preview" not in draw(addon, "takes").text


def test_37_amounts_have_their_unit(addon):
    shot, words = addon.shot, addon.part("ui.take_words").amount_words
    said = []
    for shot.preset in ("30", "90", "180", "zoom_in"):
        said.append(words(shot))
    assert said == ["Amount (x 30°)", "Amount (x 90°)", "Amount (x 360°)", "Amount (x half way)"]


@pytest.mark.parametrize(
    ("available", "commercial", "icon"),
    [(True, True, "CHECKMARK"), (True, False, "ERROR"), (False, True, "CANCEL")],
)
def test_37_a_check_mark_is_for_what_the_server_can_run(addon, available, commercial, icon):
    from importlib import import_module

    messages = import_module(f"{addon.module}.protocol.messages")
    info = messages.EstimatorInfo("x", "X", "depth", "MIT", commercial, available)
    assert addon.part("scene.depth_properties").estimator_icon(info) == icon


def test_37_the_panel_tells_the_clips_size_rate_and_frames(addon, tmp_path):
    addon.choose_clip()
    n_clips = len(addon.bpy.data.movieclips)
    assert "input.mp4 · 480x272 · 24 fps · 49 frames" in draw(addon, "clip").text
    assert n_clips == 0, "what was looked at is not kept"
    for number in (7, 8):
        picture = addon.bpy.data.images.new("x", 64, 48)
        path = str(tmp_path / f"plate_{number:04d}.png")
        picture.filepath_raw, picture.file_format = path, "PNG"
        picture.save()
    addon.shot.clip = path
    assert "64x48 · 2 pictures, 7 to 8" in draw(addon, "clip").text


def test_37_the_panel_tells_the_depth_files_name_size_and_frames(addon, tmp_path):
    """Of pictures that are many, too; the file itself is not read for it."""
    addon.choose_clip()
    assert "depth.npz · 480x272 · 49 frames" in draw(addon, "depth").text
    for number in (7, 8, 9):
        picture = addon.bpy.data.images.new("x", 64, 48, float_buffer=True)
        path = str(tmp_path / f"z_{number:04d}.exr")
        picture.filepath_raw, picture.file_format = path, "OPEN_EXR"
        picture.save()
    addon.shot.depth.file = path
    assert "z_0009.exr · 64x48 · 3 pictures" in draw(addon, "depth").text
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK\x03\x04")
    addon.shot.depth.file = str(broken)
    assert "broken.npz" in draw(addon, "depth").labels


def test_37_a_reason_takes_no_more_room_than_none(addon):
    parts = addon.part("ui.panel_parts")
    drawn = {}
    for reason in ("", "Choose a clip.", "A long reason " * 20):
        parts.draw_button(layout := Drawn(), "ex4d.reconstruct", "MESH_GRID", reason)
        drawn[reason] = layout.labels
    assert all(labels == [reason] for reason, labels in drawn.items())


def test_37_a_scene_with_work_is_asked_for_each_part_with_its_numbers(addon, server):
    addon.use(server)
    bpy = addon.bpy
    scene, parts = bpy.context.scene, addon.part("scene.scene_parts")
    scene.collection.objects.link(bpy.data.objects.new("work", None))
    scene.render.fps, scene.frame_end, scene.render.resolution_x = 30, 99, 640
    scene.view_settings.view_transform = "AgX"
    addon.choose_clip(2)
    assert parts.part_texts(scene, addon.shot, 1) == {
        "rate": "Rate (fps): 24, now 30",
        "range": "Range: 1 to 2, now 1 to 99",
        "size": "Size: 480x272, now 640x1080",
        "colors": "Colours: Standard, now AgX",
    }
    assert bpy.ops.ex4d.reconstruct(wait=True, set_parts={"rate", "size"}) == {"FINISHED"}
    render = scene.render
    assert (render.fps, scene.frame_end) == (24, 99)
    assert (render.resolution_x, render.resolution_y) == (480, 272)
    assert scene.view_settings.view_transform == "AgX"
    addon.shot.num_frames = 3
    assert bpy.ops.ex4d.reconstruct(wait=True, set_parts={"range", "colors"}) == {"FINISHED"}
    assert (scene.frame_start, scene.frame_end) == (1, 3)
    assert scene.view_settings.view_transform == "Standard"
    assert parts.part_texts(scene, addon.shot, 1) == {}  # nothing to ask for


def test_37_the_documentation_came_with_the_add_on_and_the_panel_opens_it(addon):
    path = Path(addon.part("extension").documentation())
    assert path.read_text(encoding="utf-8").startswith("# EX-4D for Blender")
    assert "ex4d.documentation" in draw(addon, "server").operators
    assert addon.bpy.ops.ex4d.documentation.poll()
