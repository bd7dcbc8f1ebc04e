"""The buttons for the files of a project: what lies in the wrong place, and what nothing uses."""

# No `from __future__ import annotations` here: Blender reads the annotations.
import bpy

from ..errors import SettingsError
from ..project.old_meshes import OldMeshes, delete_meshes, find_old_meshes
from ..session import session
from .operator_base import Ex4dOperator

__all__ = ["CLASSES"]

_MOST_LINES = 6  # of a dialog


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
        what = "One mesh or take lies" if n_moved == 1 else f"{n_moved} meshes and takes lie"
        self.report({"INFO"}, f"{what} beside the file now. Save it.")


class EX4D_OT_clean_up(Ex4dOperator, bpy.types.Operator):
    """Delete the files of older meshes that nothing uses: no scene of this file, no other .blend
    file of its project. You are asked first"""

    bl_idname = "ex4d.clean_up"
    bl_label = "Clean Up Old Meshes"

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        return "" if bpy.data.filepath else "Save the file first: what is not saved may be needed."

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        try:
            self.asked = _old_meshes()
        except (SettingsError, OSError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if not self.asked.folders:
            self.report({"INFO"}, _nothing(self.asked))
            return {"CANCELLED"}
        return context.window_manager.invoke_props_dialog(self, width=420)

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column(align=True)
        column.label(text=f"Delete {_words(self.asked)}?")
        for folder in self.asked.folders[:_MOST_LINES]:
            column.label(text=f"{folder.parent.name}/{folder.name}", icon="FILE_FOLDER")
        if len(self.asked.folders) > _MOST_LINES:
            column.label(text=f"and {len(self.asked.folders) - _MOST_LINES} more", icon="BLANK1")
        for text in self.asked.kept[:_MOST_LINES]:
            column.label(text=text, icon="INFO")
        column.label(text="No undo brings files back. .blend files outside of", icon="ERROR")
        column.label(text="this project's folder are not looked at.", icon="BLANK1")

    def run(self, context: bpy.types.Context) -> None:
        found = _old_meshes()
        asked = getattr(self, "asked", found)
        folders = tuple(folder for folder in asked.folders if folder in found.folders)
        delete_meshes(folders)
        told = f"Deleted {_words(found)}." if folders else _nothing(found)
        self.report({"INFO"}, " ".join((told, *found.kept)) if folders else told)


def _old_meshes() -> OldMeshes:
    current = session()
    return find_old_meshes(current.unsaved.root, current.runner.reads)


def _words(found: OldMeshes) -> str:
    """How many folders, and their size."""
    n_folders, size_mb = len(found.folders), found.size_bytes / 1e6
    size = f"{size_mb / 1e3:.1f} GB" if size_mb >= 1e3 else f"{size_mb:.1f} MB"
    return f"the files of {n_folders} old mesh{'es' if n_folders != 1 else ''}, {size}"


def _nothing(found: OldMeshes) -> str:
    return " ".join(("There are no old meshes to delete.", *found.kept))


CLASSES = (EX4D_OT_move_beside, EX4D_OT_clean_up)
