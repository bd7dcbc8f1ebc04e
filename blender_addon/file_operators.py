"""The buttons for the files of a project: what lies in the wrong place, and what nothing uses."""

# No `from __future__ import annotations` here: Blender reads the annotations.
import bpy

from .errors import SettingsError
from .operators import Ex4dOperator
from .session import session

__all__ = ["CLASSES"]


class EX4D_OT_move_beside(Ex4dOperator, bpy.types.Operator):
    """Bring meshes and takes beside this file that lie in the add-on's own folder, which Blender
    deletes when the add-on is uninstalled. Save the file then"""

    bl_idname = "ex4d.move_beside"
    bl_label = "Move Beside the File"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012  # Blender asks for a set

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        return "" if bpy.data.filepath else "Save the file: that brings them beside it."

    def run(self, context: bpy.types.Context) -> None:
        unsaved = session().unsaved
        n_moved = unsaved.move()
        if unsaved.problem:
            raise SettingsError(unsaved.problem)
        self.report({"INFO"}, f"{n_moved} meshes and takes lie beside the file now. Save it.")


CLASSES = (EX4D_OT_move_beside,)
