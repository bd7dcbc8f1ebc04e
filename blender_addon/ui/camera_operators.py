"""What makes a camera of a file."""

# No `from __future__ import annotations` here: Blender reads the annotations.
from pathlib import Path

import bpy

from ..camera.camera_import import import_new_camera, import_solved_camera
from ..camera.sampling import render_size
from ..errors import SettingsError
from ..jobs.camera_file import read_camera_file
from ..project.folders import folder_of
from .operator_base import Ex4dOperator

__all__ = ["CLASSES"]

_USUAL_NAMES = ("camera", "source_camera")
_KINDS = (
    ("AUTO", "As the File Says", "The clip's own camera where the file is a source_camera.npz"),
    ("NEW", "New Camera", "It moves through the mesh as the file says, from its first frame on"),
    ("SOLVED", "Source Camera", "It filmed the clip, and is chosen as its solved camera"),
)


class EX4D_OT_import_camera(Ex4dOperator, bpy.types.Operator):
    """Make a camera of a camera.npz, such as a take's, or of a clip's source_camera.npz"""

    bl_idname = "ex4d.import_camera"
    bl_label = "Camera from File"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012  # Blender asks for a set

    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: bpy.props.StringProperty(default="*.npz", options={"HIDDEN"})
    kind: bpy.props.EnumProperty(name="Use As", items=_KINDS, options={"SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if not self.filepath:
            self.filepath = str(folder_of(context.scene.ex4d)) + "/"
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: bpy.types.Context) -> None:
        if not self.filepath:
            raise SettingsError("Choose a camera file.")
        path, shot = Path(bpy.path.abspath(self.filepath)), context.scene.ex4d
        file = read_camera_file(path, render_size(context.scene))
        is_of_source = file.is_of_source or path.stem == "source_camera"
        kind = self.kind if self.kind != "AUTO" else "SOLVED" if is_of_source else "NEW"
        name = f"{path.parent.name} {path.stem}" if path.stem in _USUAL_NAMES else path.stem
        make = import_solved_camera if kind == "SOLVED" else import_new_camera
        notes = make(shot, file, name.replace("_", " ").strip()[:60])
        if notes:
            self.report({"WARNING"}, " ".join(notes))


CLASSES = (EX4D_OT_import_camera,)
