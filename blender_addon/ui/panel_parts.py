"""What the sidebar's panels are made of."""

from __future__ import annotations

import bpy

__all__ = ["SidebarPanel", "draw_button", "draw_file", "draw_lines"]


class SidebarPanel:
    """Where all of them are."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "EX-4D"


def draw_lines(layout: bpy.types.UILayout, text: str, icon: str) -> None:
    """A sentence, broken where the sidebar ends."""
    region = bpy.context.region
    width = region.width if region is not None else 300
    scale = bpy.context.preferences.system.ui_scale or 1  # 0 without a window
    most = max(20, int(width / (7.2 * scale)) - 5)
    column = layout.column(align=True)
    column.scale_y = 0.8
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > most:
            column.label(text=line, icon=icon)
            line, icon = word, "BLANK1"
        else:
            line = f"{line} {word}".strip()
    column.label(text=line, icon=icon)


def draw_file(
    layout: bpy.types.UILayout, group: bpy.types.PropertyGroup, name: str, operator: str
) -> None:
    """A path with a folder button that shows only what fits; Blender's own shows every file."""
    row = layout.row(align=True)
    row.prop(group, name)
    row.operator(operator, text="", icon="FILE_FOLDER")


def draw_button(layout: bpy.types.UILayout, operator: str, icon: str, reason: str) -> None:
    """A step's button, and under it why it is grey: a line that is always there, so that nothing
    moves when the reason goes. What has no room in it stands in the button's tooltip, too."""
    row = layout.row()
    row.scale_y = 1.3
    row.operator(operator, icon=icon)
    line = layout.row()
    line.scale_y = 0.8
    line.label(text=reason, icon="INFO" if reason else "BLANK1")
