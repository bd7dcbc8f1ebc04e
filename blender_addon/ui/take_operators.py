"""The buttons of the list of takes, and of results that found no place."""

# No `from __future__ import annotations` here: Blender reads the annotations.
from dataclasses import replace
from pathlib import Path

import bpy

from ..errors import SettingsError
from ..jobs.connection import LinkState
from ..jobs.take_files import read_take
from ..project.folders import folder_of
from ..session import session
from ..takes.take import folder_of_take, remove_take, request_of, reuse_settings
from ..takes.take_placement import place_take
from ..takes.take_strips import conditions_shown, hide_conditions, show_conditions
from .operator_base import Ex4dOperator

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
    """Set clip, mesh, camera path, quality and seed as they were for this take. Where the camera
    moves otherwise now, it gets a new one beside it"""

    bl_idname = "ex4d.take_reuse"
    bl_label = "Re-use Settings"

    def run(self, context: bpy.types.Context) -> None:
        note = reuse_settings(context.scene.ex4d, self.take(context))
        if note:
            self.report({"WARNING"}, note)


class EX4D_OT_take_conditions(_TakeOperator, bpy.types.Operator):
    """Show what the new camera saw of the source, and where, as strips above; or hide them"""

    bl_idname = "ex4d.take_conditions"
    bl_label = "Show Conditions"

    def run(self, context: bpy.types.Context) -> None:
        take = self.take(context)
        if conditions_shown(take):
            hide_conditions(take)
        else:
            show_conditions(take, folder_of_take(take), request_of(take).seed)


class EX4D_OT_take_remove(_TakeOperator, bpy.types.Operator):
    """Take this take from the list, and its strips from the sequencer. Its files stay, unless they
    are to be deleted"""

    bl_idname = "ex4d.take_remove"
    bl_label = "Remove Take"

    delete_files: bpy.props.BoolProperty(
        name="Delete its files, too",
        description="No undo brings them back, and other .blend files may use them",
        options={"SKIP_SAVE"},
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(self, width=340)

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.label(text=f"Remove {self.take(context).name} and its strips?")
        self.layout.prop(self, "delete_files")
        if self.delete_files:
            note = "No undo brings files back, and other .blend files may use them."
            self.layout.label(text=note, icon="ERROR")

    def run(self, context: bpy.types.Context) -> None:
        shot, current = context.scene.ex4d, session()
        job_id = self.take(context).job_id
        stay = remove_take(shot, shot.active_take, delete_files=self.delete_files)
        current.placement.arrived.remove(job_id)
        if stay:
            self.report({"WARNING"}, stay)
        connection, are_gone = current.connection, self.delete_files and not stay
        is_connected = connection.state is LinkState.CONNECTED
        if are_gone and is_connected and connection.client is not None:
            connection.client.release(job_id)


class EX4D_OT_take_in(Ex4dOperator, bpy.types.Operator):
    """Take in a take from its folder: one that was removed, or that another file has"""

    bl_idname = "ex4d.take_in"
    bl_label = "Take In"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012  # Blender asks for a set

    directory: bpy.props.StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN"})  # no files

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self.directory = str(folder_of(context.scene.ex4d))
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: bpy.types.Context) -> None:
        scene, placement = context.scene, session().placement
        request, finished = read_take(Path(bpy.path.abspath(self.directory)))
        if any(take.job_id == finished.job_id for take in scene.ex4d.takes):
            raise SettingsError(f"{request.label} is in the list already.")
        scene_id = placement.scene_id_of(scene)
        request = replace(request, scene_id=scene_id, sequencer_id=scene_id)
        place_take(scene, scene, request, finished)


class EX4D_OT_retry(Ex4dOperator, bpy.types.Operator):
    """Try this again, with the settings that it was begun with"""

    bl_idname = "ex4d.retry"
    bl_label = "Try Again"
    bl_options = {"REGISTER"}  # noqa: RUF012

    key: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def run(self, context: bpy.types.Context) -> None:
        session().connect()
        session().runner.retry(self.key)


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
    EX4D_OT_take_in,
    EX4D_OT_retry,
    EX4D_OT_place_here,
)
