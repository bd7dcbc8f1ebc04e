"""The add-on's buttons in Blender's menus, where F3 finds them."""

# No `from __future__ import annotations` here: Blender reads the annotations.
import bpy

__all__ = ["CLASSES", "add_menus", "remove_menus"]

_OPERATORS = (
    ("ex4d.open_clip", "FILE_MOVIE"),
    ("ex4d.reconstruct", "MESH_GRID"),
    ("ex4d.show_shot", "TEXTURE"),
    ("ex4d.apply_preset", "CURVE_PATH"),
    ("ex4d.import_camera", "IMPORT"),
    ("ex4d.look_through", "OUTLINER_OB_CAMERA"),
    ("ex4d.render", "RENDER_ANIMATION"),
    ("ex4d.take_in", "FILE_FOLDER"),
    ("ex4d.connect", "LINKED"),
    ("ex4d.documentation", "HELP"),
)


class EX4D_MT_steps(bpy.types.Menu):
    """Re-shoot a clip with another camera"""

    bl_idname = "EX4D_MT_steps"
    bl_label = "EX-4D"

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.operator_context = "INVOKE_DEFAULT"
        for name, icon in _OPERATORS:
            self.layout.operator(name, icon=icon)


def _draw_steps(menu: bpy.types.Menu, _context: bpy.types.Context) -> None:
    menu.layout.separator()
    menu.layout.menu(EX4D_MT_steps.bl_idname)


def _draw_import(menu: bpy.types.Menu, _context: bpy.types.Context) -> None:
    menu.layout.operator("ex4d.open_clip")
    menu.layout.operator("ex4d.import_camera", text="EX-4D Camera (.npz)")


CLASSES = (EX4D_MT_steps,)
_ADDED = {"VIEW3D_MT_object": _draw_steps, "TOPBAR_MT_file_import": _draw_import}


def add_menus() -> None:
    """Put the steps into Object > EX-4D, and what reads files into File > Import."""
    for name, draw in _ADDED.items():
        getattr(bpy.types, name).append(draw)


def remove_menus() -> None:
    """Take them out again."""
    for name, draw in _ADDED.items():
        getattr(bpy.types, name).remove(draw)
