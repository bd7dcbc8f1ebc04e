"""The buttons that change what the 3D views show, and nothing of the scene."""

# No `from __future__ import annotations` here: Blender reads the annotations.
import bpy

from ..errors import SettingsError
from ..extension import documentation
from ..mesh.viewport import look_through, show_shot
from .operator_base import Ex4dOperator

__all__ = ["CLASSES"]


class EX4D_OT_show_shot(Ex4dOperator, bpy.types.Operator):
    """Draw the clip on the mesh in the 3D views, and look through the scene's camera"""

    bl_idname = "ex4d.show_shot"
    bl_label = "Show the Clip on the Mesh"

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        return "" if context.scene.ex4d.mesh is not None else "Reconstruct the clip first."

    def run(self, context: bpy.types.Context) -> None:
        show_shot(context.scene)


class EX4D_OT_look_through(Ex4dOperator, bpy.types.Operator):
    """Look through the new camera in the 3D views; the scene's own camera stays what it is"""

    bl_idname = "ex4d.look_through"
    bl_label = "Look Through"

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        return "" if context.scene.ex4d.camera is not None else "Choose a camera."

    def run(self, context: bpy.types.Context) -> None:
        look_through(context.scene, context.scene.ex4d.camera)


class EX4D_OT_documentation(Ex4dOperator, bpy.types.Operator):
    """Open the documentation that came with the add-on"""

    bl_idname = "ex4d.documentation"
    bl_label = "EX-4D Documentation"

    def run(self, context: bpy.types.Context) -> None:
        try:
            bpy.ops.wm.path_open(filepath=documentation())
        except RuntimeError:
            raise SettingsError(f"No program opens texts here: read {documentation()}.") from None


CLASSES = (EX4D_OT_show_shot, EX4D_OT_look_through, EX4D_OT_documentation)
