"""The buttons of the list of takes, and of results that found no place."""

# No `from __future__ import annotations` here: Blender reads the annotations.
import bpy

from .connection import LinkState
from .operators import Ex4dOperator
from .session import session
from .takes import conditions_shown, hide_conditions, remove_take, reuse_settings, show_conditions

__all__ = ["CLASSES"]


class _TakeOperator(Ex4dOperator):
    """Works on the active take."""

    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012  # Blender asks for a set

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        shot = context.scene.ex4d
        return "" if 0 <= shot.active_take < len(shot.takes) else "There is no take yet."

    def take(self, context: bpy.types.Context) -> bpy.types.PropertyGroup:
        shot = context.scene.ex4d
        return shot.takes[shot.active_take]


class EX4D_OT_take_reuse(_TakeOperator, bpy.types.Operator):
    """Set clip, camera, quality and seed as they were for this take"""

    bl_idname = "ex4d.take_reuse"
    bl_label = "Re-use Settings"

    def run(self, context: bpy.types.Context) -> None:
        reuse_settings(context.scene.ex4d, self.take(context))


class EX4D_OT_take_conditions(_TakeOperator, bpy.types.Operator):
    """Show what the new camera saw of the source, and where, as strips above; or hide them"""

    bl_idname = "ex4d.take_conditions"
    bl_label = "Show Conditions"

    def run(self, context: bpy.types.Context) -> None:
        take = self.take(context)
        if conditions_shown(take):
            hide_conditions(take)
        else:
            show_conditions(take)


class EX4D_OT_take_remove(_TakeOperator, bpy.types.Operator):
    """Remove this take, its strips and its files"""

    bl_idname = "ex4d.take_remove"
    bl_label = "Remove Take and Its Files"
    bl_options = {"REGISTER"}  # noqa: RUF012  # no undo brings files back

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(self, event)

    def run(self, context: bpy.types.Context) -> None:
        shot = context.scene.ex4d
        connection = session().connection
        if connection.state is LinkState.CONNECTED and connection.client is not None:
            connection.client.release(self.take(context).job_id)
        remove_take(shot, shot.active_take)


class EX4D_OT_place_here(Ex4dOperator, bpy.types.Operator):
    """Bring a result into this scene, although it was made for another one"""

    bl_idname = "ex4d.place_here"
    bl_label = "Place Here"
    bl_options = {"REGISTER"}  # noqa: RUF012

    key: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def run(self, context: bpy.types.Context) -> None:
        current = session()
        current.runner.place_at(self.key, current.placement.scene_id_of(context.scene))


CLASSES = (
    EX4D_OT_take_reuse,
    EX4D_OT_take_conditions,
    EX4D_OT_take_remove,
    EX4D_OT_place_here,
)
