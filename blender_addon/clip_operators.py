"""The buttons about the clip and its depth."""

# No `from __future__ import annotations` here: Blender reads the annotations.
import bpy

from .operators import Ex4dOperator
from .paths import stored_path

__all__ = ["CLASSES"]


class EX4D_OT_use_depth(Ex4dOperator, bpy.types.Operator):
    """Use the depth file that lies beside the clip"""

    bl_idname = "ex4d.use_depth"
    bl_label = "Use Depth"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012  # Blender asks for a set

    path: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def run(self, context: bpy.types.Context) -> None:
        depth = context.scene.ex4d.depth
        depth.kind, depth.file = "FILE", stored_path(self.path)


CLASSES = (EX4D_OT_use_depth,)
