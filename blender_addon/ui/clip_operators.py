"""The buttons about the clip and its depth."""

# No `from __future__ import annotations` here: Blender reads the annotations.
import os.path

import bpy

from ...ex4d.files.picture_names import CLIP_SUFFIXES, PICTURE_SUFFIXES
from ..errors import SettingsError
from ..project.paths import stored_path
from ..scene.kept_settings import depth_beside
from .operator_base import Ex4dOperator
from .readiness import why_no_clip

__all__ = ["CLASSES"]

# what is commonly a video: it is told by its content in the end
MOVIE_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m4v", ".mxf", ".ts")
_SUFFIXES = (*MOVIE_SUFFIXES, *sorted(CLIP_SUFFIXES))
_DEPTH_SUFFIXES = (".npz", *PICTURE_SUFFIXES)


def _glob(suffixes: tuple[str, ...]) -> str:
    """What a file browser shows. Blender's comparison heeds no case."""
    return ";".join(f"*{suffix}" for suffix in suffixes)


class EX4D_OT_open_clip(Ex4dOperator, bpy.types.Operator):
    """Choose the video to re-shoot, or any picture of a sequence. The depth that lies beside it is
    taken with it; where there is none and none was chosen, it is to be estimated"""

    bl_idname = "ex4d.open_clip"
    bl_label = "Open Clip for EX-4D"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012  # Blender asks for a set

    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    directory: bpy.props.StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE", "HIDDEN"})
    files: bpy.props.CollectionProperty(
        type=bpy.types.OperatorFileListElement, options={"SKIP_SAVE", "HIDDEN"}
    )
    filter_glob: bpy.props.StringProperty(default=_glob(_SUFFIXES), options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if self.filepath or self.files:  # dropped on a 3D view
            return self.execute(context)
        self.filepath = bpy.path.abspath(context.scene.ex4d.clip)  # where the browser begins
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: bpy.types.Context) -> None:
        shot, path = context.scene.ex4d, self.filepath
        if self.files:
            path = os.path.join(self.directory, self.files[0].name)
        if not os.path.isfile(path):
            raise SettingsError(f"There is no such clip: {path}.")
        shot.clip = stored_path(path)
        beside = depth_beside(shot)
        if beside:
            shot.depth.kind, shot.depth.file = "FILE", stored_path(beside)
        elif not shot.depth.file:
            shot.depth.kind = "ESTIMATE"
        reason = why_no_clip(shot)
        name = os.path.basename(path)
        if reason:
            self.report({"WARNING"}, reason)
        else:
            self.report({"INFO"}, f"{name} is the clip: press N, and Reconstruct in the tab EX-4D.")


class EX4D_FH_clip(bpy.types.FileHandler):
    """Videos that are dropped on a 3D view"""

    bl_idname = "EX4D_FH_clip"
    bl_label = "Re-shoot with EX-4D"
    bl_import_operator = "ex4d.open_clip"
    bl_file_extensions = ";".join(MOVIE_SUFFIXES)

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        return context.area is not None and context.area.type == "VIEW_3D"


class EX4D_OT_open_depth(Ex4dOperator, bpy.types.Operator):
    """Choose the clip's depth: a .npz file, or any picture of a sequence of EXR, PNG or TIFF"""

    bl_idname = "ex4d.open_depth"
    bl_label = "Open Depth"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012  # Blender asks for a set

    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: bpy.props.StringProperty(default=_glob(_DEPTH_SUFFIXES), options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        shot = context.scene.ex4d
        beside = os.path.dirname(bpy.path.abspath(shot.clip))
        self.filepath = bpy.path.abspath(shot.depth.file) or os.path.join(beside, "")
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: bpy.types.Context) -> None:
        if not os.path.isfile(self.filepath):
            raise SettingsError(f"There is no such depth file: {self.filepath}.")
        depth = context.scene.ex4d.depth
        depth.kind, depth.file = "FILE", stored_path(self.filepath)


class EX4D_OT_use_depth(Ex4dOperator, bpy.types.Operator):
    """Use the depth file that lies beside the clip"""

    bl_idname = "ex4d.use_depth"
    bl_label = "Use Depth"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012  # Blender asks for a set

    path: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def run(self, context: bpy.types.Context) -> None:
        depth = context.scene.ex4d.depth
        depth.kind, depth.file = "FILE", stored_path(self.path)


CLASSES = (EX4D_OT_open_clip, EX4D_FH_clip, EX4D_OT_open_depth, EX4D_OT_use_depth)
