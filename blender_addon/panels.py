"""The sidebar's tab "EX-4D", from the server at the top to the takes at the bottom.

Nothing here asks the network or the disk for more than a file's being there.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import bpy

from .clip_panels import CLIP_PANELS
from .connection import LinkState
from .extension import ROOT, preferences
from .file_paths import place_in
from .footage import positions_of
from .ignored_settings import ignored_note
from .marker_cameras import marker_note
from .mesh_files import missing_shown
from .panel_parts import SidebarPanel, draw_button, draw_lines
from .readiness import (
    why_no_path,
    why_no_reconstruction,
    why_no_render,
    why_no_server,
)
from .requests import ReconstructRequest, RenderRequest
from .session import session
from .shot_start import moved_text
from .take_strips import conditions_shown
from .take_words import amount_words, quality_of, take_words
from .tasks import TaskState, fold_tasks, folded_words
from .viewport import looks_through, shows_texture

if TYPE_CHECKING:
    from .tasks import Task

__all__ = ["CLASSES", "draw_connection"]

_ICONS = {
    LinkState.OFF: "UNLINKED",
    LinkState.CONNECTING: "SORTTIME",
    LinkState.CONNECTED: "LINKED",
    LinkState.LOST: "ERROR",
    LinkState.REFUSED: "CANCEL",
}
_STAGES = {
    "queued": "Waiting in the queue",
    "read": "Reading the clip",
    "download": "Fetching the model's weights",
    "estimate": "Estimating the depth",
    "steady": "Making the depth steady",
    "mesh": "Making the mesh",
    "render": "Rendering conditions",
    "generate": "Making the clip",
    "load": "Loading the model",
    "text": "Reading the prompt",
    "encode": "Encoding conditions",
    "denoise": "Making the clip",
    "decode": "Decoding the clip",
    "write": "Writing the files",
}


def draw_connection(layout: bpy.types.UILayout) -> None:
    """The state of the connection in words."""
    current = session()
    reason = current.problem or why_no_server(preferences().endpoint)
    if reason:
        draw_lines(layout, reason, "ERROR")
    else:
        draw_lines(layout, current.connection.text, _ICONS[current.connection.state])


class EX4D_PT_server(SidebarPanel, bpy.types.Panel):
    """Where the work is done"""

    bl_label = "Server"

    def draw(self, context: bpy.types.Context) -> None:
        row = self.layout.row(align=True)
        row.label(text=preferences().endpoint.removeprefix("tcp://"))
        row.operator("ex4d.connect", text="", icon="FILE_REFRESH")
        row.operator("ex4d.documentation", text="", icon="HELP")
        show = row.operator("preferences.addon_show", text="", icon="PREFERENCES")
        show.module = ROOT
        draw_connection(self.layout)


class EX4D_PT_reconstruct(SidebarPanel, bpy.types.Panel):
    """From the clip to its mesh"""

    bl_label = "Reconstruct"

    def draw(self, context: bpy.types.Context) -> None:
        layout, shot = self.layout, context.scene.ex4d
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop(shot, "grid_stride")
        layout.prop(shot, "min_face_angle")
        _draw_place(layout, shot)
        draw_button(
            layout,
            "ex4d.reconstruct",
            "MESH_GRID",
            why_no_reconstruction(shot, preferences().endpoint, session().connection),
        )
        _draw_tasks(layout, ReconstructRequest, context.scene)
        if shot.mesh is not None and not shows_texture(context.space_data):
            layout.operator("ex4d.show_shot", icon="TEXTURE")
        if shot.mesh is not None and bpy.data.filepath:
            layout.operator("ex4d.clean_up", icon="TRASH")


class EX4D_PT_camera(SidebarPanel, bpy.types.Panel):
    """The new camera"""

    bl_label = "Camera"

    def draw(self, context: bpy.types.Context) -> None:
        layout, shot = self.layout, context.scene.ex4d
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop(shot, "mesh")
        if shot.mesh is not None:
            _draw_mesh(layout, shot.mesh)
        layout.prop(shot, "camera")
        layout.operator("ex4d.import_camera", icon="IMPORT").kind = "NEW"
        note = marker_note(context.scene, shot.camera)
        if note:
            draw_lines(layout, note, "MARKER_HLT")
        column = layout.column(align=True)
        column.prop(shot, "preset")
        column.prop(shot, "amount", text=amount_words(shot))
        column.prop(shot, "easing")
        draw_button(layout, "ex4d.apply_preset", "CURVE_PATH", why_no_path(shot))
        if shot.camera is not None and not looks_through(context.space_data, shot.camera):
            layout.operator("ex4d.look_through", icon="OUTLINER_OB_CAMERA")


class EX4D_PT_render(SidebarPanel, bpy.types.Panel):
    """The new shot"""

    bl_label = "Render"

    def draw(self, context: bpy.types.Context) -> None:
        layout, shot = self.layout, context.scene.ex4d
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop(shot, "quality", expand=True)
        layout.prop(shot, "seed")
        if shot.quality == "FINAL":
            for name in ("prompt", "steps", "guidance_scale", "keep_source"):
                layout.prop(shot, name)
        layout.prop(shot, "folder")
        reason = why_no_render(shot, preferences().endpoint, session().connection)
        draw_button(layout, "ex4d.render", "RENDER_ANIMATION", reason)
        ignored = ignored_note(context.scene)
        if ignored:
            draw_lines(layout, ignored, "INFO")
        _draw_tasks(layout, RenderRequest, context.scene)


class EX4D_UL_takes(bpy.types.UIList):
    """Takes, newest last"""

    def draw_item(self, context, layout, data, item, icon, active, active_name, index) -> None:
        row = layout.row()
        row.label(text=take_words(item), icon="SEQUENCE")
        row.prop(item, "name", text="", emboss=False)


class EX4D_PT_takes(SidebarPanel, bpy.types.Panel):
    """What came back"""

    bl_label = "Takes"

    def draw(self, context: bpy.types.Context) -> None:
        layout, shot = self.layout, context.scene.ex4d
        if not shot.takes:
            layout.label(text="Finished clips appear here.", icon="INFO")
            layout.operator("ex4d.take_in", icon="FILE_FOLDER")
            return
        layout.template_list("EX4D_UL_takes", "", shot, "takes", shot, "active_take", rows=3)
        if not 0 <= shot.active_take < len(shot.takes):
            return
        take = shot.takes[shot.active_take]
        said = f"{quality_of(take)}, seed {take.seed}, {take.coverage:.1%} from the source"
        layout.label(text=said)
        if take.note:
            draw_lines(layout, take.note, "INFO")
        column = layout.column(align=True)
        column.operator("ex4d.take_reuse", icon="RECOVER_LAST")
        text = "Hide Conditions" if conditions_shown(take) else "Show Conditions"
        column.operator("ex4d.take_conditions", text=text, icon="IMAGE_ALPHA")
        column.operator("ex4d.take_remove", text="Remove", icon="TRASH")
        layout.operator("ex4d.take_in", icon="FILE_FOLDER")


def _draw_place(layout: bpy.types.UILayout, shot: bpy.types.PropertyGroup) -> None:
    """Where the meshes of this file lie, where that is not beside it."""
    unsaved = session().unsaved
    stays = shot.mesh is not None and bool(place_in(positions_of(shot.mesh), unsaved.root))
    if not bpy.data.filepath and stays:
        text = "Not saved yet: save the file, and its mesh and takes come beside it."
        draw_lines(layout, text, "INFO")
    elif not bpy.data.filepath and shot.folder.startswith("//"):
        draw_lines(layout, "Save the file first, and its mesh and takes lie beside it.", "INFO")
    elif stays or unsaved.problem:
        text = "The mesh's files lie in the add-on's own folder, which uninstalling deletes."
        draw_lines(layout, unsaved.problem or text, "ERROR")
        layout.operator("ex4d.move_beside", icon="FILE_PARENT")


def _draw_mesh(layout: bpy.types.UILayout, mesh: bpy.types.Object) -> None:
    """What there is to know about the mesh."""
    for text, icon in ((missing_shown(mesh), "ERROR"), (moved_text(mesh), "INFO")):
        if text:
            draw_lines(layout, text, icon)


def _draw_tasks(layout: bpy.types.UILayout, kind: type, scene: bpy.types.Scene) -> None:
    """The requests of a step, with what can be done about each; what is over elsewhere or was
    before the last in one line."""
    tasks = [
        task
        for task in session().runner.tasks
        if isinstance(task.request, kind)
        and not (task.state is TaskState.DONE and kind is RenderRequest)  # among the takes
    ]
    scene_id = session().placement.own_id_of(scene)
    shown, folded = fold_tasks(tasks, scene_id)
    for task in shown:
        _draw_task(layout.box(), task)
    if folded:
        header, body = layout.panel(f"EX4D_over_{kind.__name__}", default_closed=True)
        header.label(text=folded_words(folded, scene_id))
        keys = " ".join(task.request.key for task in folded)
        header.operator("ex4d.dismiss", text="", icon="X").key = keys
        for task in folded if body else ():
            _draw_task(body.box(), task)


def _draw_task(layout: bpy.types.UILayout, task: Task) -> None:
    row = layout.row()
    row.label(text=task.request.label)
    name = "ex4d.dismiss" if task.over else "ex4d.cancel"
    if task.state is TaskState.HELD:
        row.operator("ex4d.place_here", text="Place Here").key = task.request.key
        name = "ex4d.dismiss"
    if task.state in (TaskState.FAILED, TaskState.CANCELLED):
        row.operator("ex4d.retry", text="", icon="FILE_REFRESH").key = task.request.key
    row.operator(name, text="", icon="X").key = task.request.key
    waits = task.state is TaskState.ACTIVE and task.away and not task.over
    if waits or task.state is TaskState.WAITING:
        draw_lines(layout, _waiting_text(task), "SORTTIME")
    elif task.state is TaskState.ACTIVE:
        layout.progress(factor=task.fraction, text=_progress_text(task))
    elif task.state is TaskState.DONE:
        draw_lines(layout, task.text or "Done", "CHECKMARK")
    else:
        icon = "ERROR" if task.state is TaskState.FAILED else "INFO"
        draw_lines(layout, task.text or task.state.value.capitalize(), icon)


def _waiting_text(task: Task) -> str:
    """What a request waits for that cannot go on without the server."""
    connection = session().connection
    if session().problem:
        return session().problem
    if connection.state is LinkState.REFUSED:
        return connection.text
    if connection.state is LinkState.LOST:
        return f"The server is away: this goes on when it is back. {connection.text}"
    return task.text or "Waiting for the server"


def _progress_text(task: Task) -> str:
    stage = _STAGES.get(task.stage, task.stage.capitalize())
    if task.cancelling:
        return "Cancelling ..."
    if not task.total:
        return stage
    left_s = task.left_s(time.monotonic())
    left = "" if left_s is None else f", {_duration(left_s)} left"
    return f"{stage}: {task.fraction:.0%}{left}"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes}:{seconds:02d} min" if minutes else f"{seconds} s"


CLASSES = (
    EX4D_PT_server,
    *CLIP_PANELS,
    EX4D_PT_reconstruct,
    EX4D_PT_camera,
    EX4D_PT_render,
    EX4D_UL_takes,
    EX4D_PT_takes,
)
