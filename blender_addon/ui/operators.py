"""The buttons. Each starts something and returns; the timer brings the rest.

For scripts `wait=True` blocks until it is done, and raises RuntimeError when it fails.
"""

# No `from __future__ import annotations` here: Blender reads the annotations.

from dataclasses import replace
from pathlib import Path

import bpy

from ...protocol.limits import LARGEST_SIDE_PX, LEAST_SIDE_PX
from ..camera.marker_cameras import follows_markers
from ..camera.sampling import render_size, sample_camera
from ..camera.source_camera import sample_solved_camera
from ..errors import CameraError
from ..extension import preferences
from ..jobs.clip_pictures import clip_pictures
from ..jobs.endpoint import own_keys
from ..jobs.requests import ENGINES, ReconstructRequest, RenderRequest
from ..mesh.shot_start import first_frame_of_clip, first_solved_frame, mesh_start
from ..project.clip_source import clip_source, mesh_source
from ..project.folders import holds_work, mesh_name_of, new_folder
from ..project.movie import load_movie, load_pictures
from ..scene.qualities import final_settings
from ..scene.scene_parts import PARTS, part_texts
from ..session import session
from ..words import fitting_name
from .operator_base import Ex4dOperator, OnceOperator
from .readiness import seed_of, why_no_reconstruction, why_no_render, why_no_server

__all__ = ["CLASSES"]

_TIMEOUT_S = 24 * 3600.0


class EX4D_OT_connect(Ex4dOperator, bpy.types.Operator):
    """Connect to the server and say in words whether that works"""

    bl_idname = "ex4d.connect"
    bl_label = "Connect"

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        return why_no_server(preferences().endpoint)

    def run(self, context: bpy.types.Context) -> None:
        session().connect()


class EX4D_OT_copy_public_key(Ex4dOperator, bpy.types.Operator):
    """Copy this computer's public key, for the server's administrator"""

    bl_idname = "ex4d.copy_public_key"
    bl_label = "Copy Public Key"

    def run(self, context: bpy.types.Context) -> None:
        context.window_manager.clipboard = own_keys(session().keys_folder).public
        self.report({"INFO"}, "The public key is in the clipboard.")


class EX4D_OT_reconstruct(OnceOperator, bpy.types.Operator):
    """Have the clip's mesh made and bring it into the scene"""

    bl_idname = "ex4d.reconstruct"
    bl_label = "Reconstruct"

    set_scene: bpy.props.BoolProperty(
        name="All of the Clip's",
        description="Give the scene the clip's rate, range, size and colours, and the shot camera",
        options={"SKIP_SAVE"},
    )
    set_parts: bpy.props.EnumProperty(
        name="Some of the Clip's",
        items=[(part, part.title(), "") for part in PARTS],
        options={"ENUM_FLAG", "SKIP_SAVE"},
    )
    wait: bpy.props.BoolProperty(options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        shot, connection = context.scene.ex4d, session().connection
        return why_no_reconstruction(shot, preferences().endpoint, connection)

    def ask(self, context: bpy.types.Context) -> set[str]:
        if not holds_work(context.scene) or not _differing_parts(context.scene):
            return self.execute(context)
        return context.window_manager.invoke_props_dialog(self, width=340)

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.label(text="This scene already holds work.")
        self.layout.label(text="Give it the clip's:")
        for part, text in _differing_parts(context.scene).items():
            self.layout.prop_enum(self, "set_parts", part, text=text)

    def run(self, context: bpy.types.Context) -> None:
        session().connect()
        scene, settings = context.scene, context.scene.ex4d
        asked = self.properties.is_property_set("set_scene")
        source, scene_id = clip_source(settings), session().placement.scene_id_of(scene)
        name = mesh_name_of(scene, source)
        _, folder = new_folder(settings, name, "mesh")
        if settings.solved_camera is not None:
            source = replace(source, solved_camera=str(_keep_solved(scene, folder)))
        request = ReconstructRequest(
            name,
            source,
            str(folder),
            scene_id,
            int(settings.grid_stride),
            first_frame_of_clip(settings),
            self.set_scene if asked else not holds_work(scene),
            min_face_angle_deg=settings.min_face_angle,
            set_parts=",".join(part for part in PARTS if part in self.set_parts),
        )
        if request.set_scene and settings.start_frame > settings.clip_first:
            settings.starts_at = settings.starts_at  # it stays, although the scene's range changes
        _start(request, self.wait)
        self.report({"INFO"}, f"{name} is under way.")


def _differing_parts(scene: bpy.types.Scene) -> dict[str, str]:
    return part_texts(scene, scene.ex4d, first_frame_of_clip(scene.ex4d))


class EX4D_OT_render(OnceOperator, bpy.types.Operator):
    """Send the camera's path, pose by pose; the re-shot clip comes back as a strip"""

    bl_idname = "ex4d.render"
    bl_label = "Render"

    wait: bpy.props.BoolProperty(options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        return why_no_render(context.scene.ex4d, preferences().endpoint, session().connection)

    def run(self, context: bpy.types.Context) -> None:
        scene, settings = context.scene, context.scene.ex4d
        mesh, first = settings.mesh, mesh_start(settings.mesh)
        source, seed = mesh_source(mesh), seed_of(settings)
        placement = session().placement
        scene_id = placement.scene_id_of(scene)
        _check_size(*render_size(scene))
        frames = range(first, first + int(mesh["ex4d_n_frames"]))
        switches = follows_markers(scene, settings.camera)
        path = sample_camera(scene, settings.camera, mesh, frames, follow_markers=switches)
        session().connect()
        name = str(mesh["ex4d_name"])
        number, folder = new_folder(settings, name, "take")
        request = RenderRequest(
            fitting_name(name, f" take {number}"),
            source,
            str(folder),
            scene_id,
            scene_id,
            first,
            settings.camera.name,
            ENGINES[settings.quality],
            final_settings(settings, session().connection),
            seed,
            float(mesh["ex4d_min_face_angle"]),
        )
        path.write(request.camera_file)
        _start(request, self.wait)
        self.report({"INFO"}, f"{request.label} is under way.")


class EX4D_OT_cancel(Ex4dOperator, bpy.types.Operator):
    """Stop this request"""

    bl_idname = "ex4d.cancel"
    bl_label = "Cancel"

    key: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def run(self, context: bpy.types.Context) -> None:
        session().runner.cancel(self.key)


class EX4D_OT_dismiss(Ex4dOperator, bpy.types.Operator):
    """Take this from the list"""

    bl_idname = "ex4d.dismiss"
    bl_label = "Dismiss"

    key: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})  # several with spaces between

    def run(self, context: bpy.types.Context) -> None:
        for key in self.key.split():
            session().runner.dismiss(key)


def _check_size(width: int, height: int) -> None:
    if min(width, height) < LEAST_SIDE_PX:
        least = f"{LEAST_SIDE_PX}x{LEAST_SIDE_PX}"
        raise CameraError(f"The scene renders {width}x{height} pixels; the least is {least}.")
    if max(width, height) > LARGEST_SIDE_PX:
        raise CameraError(
            f"The scene renders {width}x{height} pixels; the server makes pictures of at most "
            f"{LARGEST_SIDE_PX} pixels a side: make Resolution smaller in Output Properties."
        )


def _keep_solved(scene: bpy.types.Scene, folder: Path) -> Path:
    """Keep the path of the clip's own camera beside the mesh: it may change, or be removed."""
    settings = scene.ex4d
    first, step = first_solved_frame(settings), settings.stride
    path = Path(bpy.path.abspath(settings.clip))
    pictures = clip_pictures(path)
    frames = range(first, first + step * settings.num_frames, step)
    size = (load_movie(path) if pictures is None else load_pictures(pictures.paths)).size
    solved = sample_solved_camera(scene, settings.solved_camera, frames, size)
    path = folder / "source_camera.npz"
    solved.write(path)
    return path


def _start(request: ReconstructRequest | RenderRequest, wait: bool) -> None:
    task = session().runner.start(request)
    if wait:
        session().wait_for(task, _TIMEOUT_S)


CLASSES = (
    EX4D_OT_connect,
    EX4D_OT_copy_public_key,
    EX4D_OT_reconstruct,
    EX4D_OT_render,
    EX4D_OT_cancel,
    EX4D_OT_dismiss,
)
