"""The sidebar's panels about the clip: its file, its depth, its lens."""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING

import bpy

from ...ex4d.files.picture_names import is_picture
from ..mesh.shot_start import faster_text
from ..scene.depth_properties import chosen_estimator, estimator_icon
from ..scene.kept_settings import depth_beside, kept_depth, kept_solved_camera
from .panel_parts import SidebarPanel, draw_file, draw_lines
from .readiness import why_no_clip, why_no_depth
from .take_words import clip_words, depth_words

if TYPE_CHECKING:
    from ..scene.depth_properties import Ex4dDepth
    from ..scene.properties import Ex4dShot

__all__ = ["CLIP_PANELS"]


class EX4D_PT_clip(SidebarPanel, bpy.types.Panel):
    """What is re-shot"""

    bl_label = "Clip"

    def draw(self, context: bpy.types.Context) -> None:
        layout, shot = self.layout, context.scene.ex4d
        layout.use_property_split, layout.use_property_decorate = True, False
        if not shot.clip:
            layout.operator("ex4d.open_clip", text="Open Clip", icon="FILE_MOVIE")
        draw_file(layout, shot, "clip", "ex4d.open_clip")
        column = layout.column(align=True)
        column.prop(shot, "start_frame")
        column.prop(shot, "num_frames")
        column.prop(shot, "stride")
        column.prop(shot, "starts_at")
        if shot.stride > 1:
            draw_lines(layout, faster_text(shot.stride), "INFO")
        if shot.is_sequence:
            layout.prop(shot, "fps")
            layout.prop(shot, "layer")
        else:
            layout.prop(shot, "hdr")
            layout.prop(shot, "deinterlace")
        kept = kept_solved_camera(shot)  # its own panel may be folded
        if kept:
            draw_lines(layout, kept, "ERROR")
        reason = why_no_clip(shot)
        if reason:
            draw_lines(layout, reason, "INFO")
        else:
            draw_lines(layout, clip_words(shot), "CHECKMARK")


class EX4D_PT_depth(SidebarPanel, bpy.types.Panel):
    """How far everything in the clip is"""

    bl_label = "Depth"
    bl_parent_id = "EX4D_PT_clip"

    def draw(self, context: bpy.types.Context) -> None:
        layout, depth = self.layout, context.scene.ex4d.depth
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop(depth, "kind", expand=True)
        if depth.kind == "ESTIMATE":
            layout.prop(depth, "choice")
            _draw_licence(layout, depth)
            return
        draw_file(layout, depth, "file", "ex4d.open_depth")
        _draw_other_depth(layout, context.scene.ex4d)
        if depth.file and not why_no_depth(depth):
            draw_lines(layout, depth_words(depth), "CHECKMARK")
            _draw_reading(layout, depth)


class EX4D_PT_cleaning(SidebarPanel, bpy.types.Panel):
    """What is mended in the depth"""

    bl_label = "Clean Up"
    bl_parent_id = "EX4D_PT_clip"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012  # Blender asks for a set

    def draw(self, context: bpy.types.Context) -> None:
        layout, depth = self.layout, context.scene.ex4d.depth
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop(depth, "cleaning", expand=True)
        column = layout.column()
        column.active = depth.cleaning == "OWN"
        for name in ("holes", "edges", "sky"):
            column.prop(depth, name)
        if depth.sky == "DISTANCE":
            column.prop(depth, "sky_distance")


class EX4D_PT_lens(SidebarPanel, bpy.types.Panel):
    """The camera that filmed the clip"""

    bl_label = "Source Camera"
    bl_parent_id = "EX4D_PT_clip"

    def draw(self, context: bpy.types.Context) -> None:
        layout, shot = self.layout, context.scene.ex4d
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop(shot, "solved_camera")
        if shot.solved_camera is not None:
            layout.prop(shot, "solved_start")
        layout.operator("ex4d.import_camera", icon="IMPORT").kind = "SOLVED"
        layout.prop(shot, "lens_kind")
        if shot.lens_kind == "FOV":
            layout.prop(shot, "fov", text="Horizontal")
        elif shot.lens_kind == "MM":
            column = layout.column(align=True)
            column.prop(shot, "lens_mm")
            column.prop(shot, "sensor_mm")


def _draw_licence(layout: bpy.types.UILayout, depth: Ex4dDepth) -> None:
    """What the chosen estimator gives, and whether it may be used for paid work."""
    chosen = chosen_estimator(depth)
    if chosen is None:
        return
    note = f"{chosen.title}: {chosen.gives}. {chosen.licence}"
    draw_lines(layout, note, estimator_icon(chosen))
    if chosen.available and chosen.reason:  # its weights are still to come
        draw_lines(layout, chosen.reason.capitalize(), "IMPORT")


def _draw_other_depth(layout: bpy.types.UILayout, shot: Ex4dShot) -> None:
    """The depth that lies beside the clip, where none is chosen or that of another clip."""
    kept = kept_depth(shot)
    if kept:
        draw_lines(layout, kept, "ERROR")
    if not shot.depth.file or kept:
        path = depth_beside(shot)
        if path:
            name = os.path.basename(path)
            layout.operator("ex4d.use_depth", text=f"Use {name}", icon="IMPORT").path = path


def _draw_reading(layout: bpy.types.UILayout, depth: Ex4dDepth) -> None:
    """What the numbers in the files mean."""
    layout.prop(depth, "values")
    row = layout.row(heading="Range")
    row.prop(depth, "use_range", text="")
    if depth.use_range:
        column = layout.column(align=True)
        column.prop(depth, "near")
        column.prop(depth, "far")
        layout.prop(depth, "inverted")
    column = layout.column(align=True)
    column.prop(depth, "scale")
    column.prop(depth, "offset")
    if is_picture(depth.file) and depth.file.lower().endswith(".exr"):
        layout.prop(depth, "layer")


CLIP_PANELS = (EX4D_PT_clip, EX4D_PT_depth, EX4D_PT_cleaning, EX4D_PT_lens)
