"""The sidebar's tab "EX-4D", from the server at the top to the takes at the bottom.

Nothing here asks the network or the disk for more than a file's being there.
"""

from __future__ import annotations

import bpy

from ..camera.marker_cameras import marker_note
from ..extension import ROOT, preferences
from ..jobs.connection import LinkState
from ..jobs.requests import ReconstructRequest, RenderRequest
from ..mesh.shot_start import moved_text
from ..mesh.viewport import looks_through, shows_texture
from ..project.file_paths import place_in
from ..project.footage import positions_of
from ..project.mesh_files import missing_shown
from ..scene.ignored_settings import ignored_note
from ..scene.qualities import fast_words
from ..session import session
from ..takes.take_strips import conditions_shown
from .clip_panels import CLIP_PANELS
from .panel_parts import SidebarPanel, draw_button, draw_lines
from .readiness import why_no_path, why_no_reconstruction, why_no_render, why_no_server
from .take_words import amount_words, quality_of, take_words
from .task_boxes import draw_tasks

__all__ = ["CLASSES", "draw_connection"]

_ICONS = {
    LinkState.OFF: "UNLINKED",
    LinkState.CONNECTING: "SORTTIME",
    LinkState.CONNECTED: "LINKED",
    LinkState.LOST: "ERROR",
    LinkState.REFUSED: "CANCEL",
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
        draw_tasks(layout, ReconstructRequest, context.scene)
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
        _draw_quality(layout, shot)
        layout.prop(shot, "folder")
        reason = why_no_render(shot, preferences().endpoint, session().connection)
        draw_button(layout, "ex4d.render", "RENDER_ANIMATION", reason)
        ignored = ignored_note(context.scene)
        if ignored:
            draw_lines(layout, ignored, "INFO")
        draw_tasks(layout, RenderRequest, context.scene)


def _draw_quality(layout: bpy.types.UILayout, shot: bpy.types.PropertyGroup) -> None:
    """What can be set of this quality; what makes a final faster is folded away."""
    connection = session().connection
    if shot.quality == "FAST":
        layout.prop(shot, "prompt")
        layout.prop(shot, "keep_source")
        if connection.welcome is not None:
            draw_lines(layout, fast_words(connection), "INFO")
    if shot.quality != "FINAL":
        return
    for name in ("prompt", "steps", "guidance_scale", "precision", "keep_source"):
        layout.prop(shot, name)
    header, body = layout.panel("EX4D_final_speed", default_closed=True)
    header.label(text="Speed")
    if body is not None:
        body.prop(shot, "guidance_until")
        body.prop(shot, "step_cache")


class EX4D_UL_takes(bpy.types.UIList):
    """Takes, newest last"""

    def draw_item(
        self,
        context: bpy.types.Context,
        layout: bpy.types.UILayout,
        data: bpy.types.PropertyGroup,
        item: bpy.types.PropertyGroup,
        icon: int,
        active: bpy.types.PropertyGroup,
        active_name: str,
        index: int,
    ) -> None:
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


CLASSES = (
    EX4D_PT_server,
    *CLIP_PANELS,
    EX4D_PT_reconstruct,
    EX4D_PT_camera,
    EX4D_PT_render,
    EX4D_UL_takes,
    EX4D_PT_takes,
)
