"""The button that puts a named path on the camera."""

# No `from __future__ import annotations` here: Blender reads the annotations.
import bpy

from ..camera.keyframes import apply_path
from ..mesh.shot_start import mesh_start
from ..presets import preset_path
from ..scene.properties import EASINGS, PRESETS
from .operator_base import Ex4dOperator
from .readiness import why_no_path

__all__ = ["CLASSES"]

_SHARED = ("preset", "amount", "easing")  # with the panel


class EX4D_OT_apply_preset(Ex4dOperator, bpy.types.Operator):
    """Key the chosen path on the camera, as few keyframes with handles that can be edited"""

    bl_idname = "ex4d.apply_preset"
    bl_label = "Apply Path"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012  # Blender asks for a set

    preset: bpy.props.EnumProperty(name="Path", items=PRESETS, options={"SKIP_SAVE"})
    amount: bpy.props.FloatProperty(
        name="Amount",
        default=1,
        min=-10,
        max=10,
        description="Negative: to the other side",
        options={"SKIP_SAVE"},
    )
    easing: bpy.props.EnumProperty(name="Easing", items=EASINGS, options={"SKIP_SAVE"})
    one_key_a_frame: bpy.props.BoolProperty(
        name="One Key a Frame",
        description="Straight lines from frame to frame, instead of few keys whose curves move "
        "nothing in the picture by more than 0.1 pixels",
    )

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        return why_no_path(context.scene.ex4d)

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split, layout.use_property_decorate = True, False
        for name in (*_SHARED, "one_key_a_frame"):
            layout.prop(self, name)

    def run(self, context: bpy.types.Context) -> None:
        settings = context.scene.ex4d
        for name in _SHARED:
            if not self.properties.is_property_set(name):  # neither a script nor the redo panel
                setattr(self, name, getattr(settings, name))
        mesh = settings.mesh
        path = preset_path(
            self.preset,
            int(mesh["ex4d_n_frames"]),
            float(mesh["ex4d_radius"]),
            amount=self.amount,
            easing=self.easing,
        )
        apply_path(
            settings.camera,
            mesh,
            path,
            first_frame=mesh_start(mesh),
            scene=context.scene,
            one_key_a_frame=self.one_key_a_frame,
        )
        for name in _SHARED:
            setattr(settings, name, getattr(self, name))  # the panel says what was done


CLASSES = (EX4D_OT_apply_preset,)
