"""The clip's own camera in the scene: its lens and place as a camera object, and where it moves,
its path, taken from a camera that was solved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy
import numpy as np
from mathutils import Matrix, Quaternion

from ..axes import SOURCE_CAMERA
from ..compat import fcurves_of, own_action
from ..jobs.solved_camera import SolvedCamera
from ..mesh.made_state import curve_state, is_as_made, note_as_made
from .camera_state import (
    check_lens,
    evaluated,
    frames_restored,
    intrinsics_of,
    matrix_of,
    nearest_rotation,
    view_layer_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "key_root",
    "place_source_camera",
    "sample_solved_camera",
    "unkey_root",
]

_KEYED = ("lens", "shift_x", "shift_y")
_ROOT_PATHS = ("location", "rotation_quaternion")
_ALL_ROOT_PATHS = (*_ROOT_PATHS, "rotation_euler", "rotation_axis_angle", "rotation_mode")


def key_root(root: bpy.types.Object, solved: SolvedCamera, first_frame: int) -> bool:
    """Key the mesh object so that each frame's mesh lies where the camera saw it.

    Its scale and parent stay. What moves the parent or is keyed otherwise afterwards is the
    artist's placing of the whole: keys come anew where the last ones were. False: these were
    edited, and stay.
    """
    into_channels = _channels_of(root)
    if into_channels is None:
        return False
    root.rotation_mode = "QUATERNION"
    before = None
    for offset, pose in enumerate(solved.camera_to_world @ np.linalg.inv(SOURCE_CAMERA)):
        turn, place = _quaternion_of(into_channels @ pose), into_channels @ pose[:, 3]
        if before is not None and turn.dot(before) < 0:
            turn.negate()  # the same turn, the short way from the last
        root.location, root.rotation_quaternion, before = place[:3], turn, turn
        for name in _ROOT_PATHS:
            root.keyframe_insert(name, frame=first_frame + offset)
    for curve in fcurves_of(root):
        if curve.data_path in _ROOT_PATHS:
            for point in curve.keyframe_points:
                point.interpolation = "LINEAR"
    note_as_made(root, _motion_state(root))
    return True


def _channels_of(root: bpy.types.Object) -> np.ndarray | None:
    """The way [4, 4] from the world to where the mesh object is keyed, with no keys there; None
    where the keys are the artist's."""
    if root.get("ex4d_solved"):
        if _is_edited(root):
            return None
        _remove_keys(root, _ROOT_PATHS)
        return np.array(root.get("ex4d_world_to_keys", np.eye(4).ravel())).reshape(4, 4)
    into_channels: np.ndarray = np.eye(4)
    if root.parent is not None:
        parent = matrix_of(root) @ np.linalg.inv(np.array(root.matrix_basis, np.float64))
        into_channels = np.linalg.inv(parent)
    root["ex4d_stood"] = [value for row in root.matrix_basis for value in row]
    root["ex4d_stood_mode"], root["ex4d_solved"] = root.rotation_mode, True
    root["ex4d_world_to_keys"] = into_channels.ravel().tolist()
    if any(curve.data_path in _ALL_ROOT_PATHS for curve in fcurves_of(root)):
        root.animation_data.action.use_fake_user = True  # the artist's own motion is kept there
        own_action(root, always=True)
        _remove_keys(root, _ALL_ROOT_PATHS)
    return into_channels


def _is_edited(root: bpy.types.Object) -> bool:
    """Whether the artist has changed the keys, and not cleared them."""
    return bool(_motion_state(root)[0]) and not is_as_made(root, _motion_state(root))


def _motion_state(root: bpy.types.Object) -> list[Any]:
    curves = [curve for curve in curve_state(root) if curve[0] in _ALL_ROOT_PATHS]
    return [curves, root.rotation_mode]


def _remove_keys(datablock: bpy.types.ID, paths: Sequence[str]) -> None:
    """Remove curves, and the action when nothing else is in it."""
    curves = fcurves_of(datablock)
    for curve in [curve for curve in curves if curve.data_path in paths]:
        curves.remove(curve)
    animation = datablock.animation_data
    if animation is None or animation.action is None or len(fcurves_of(datablock)):
        return
    action, animation.action = animation.action, None
    if not action.users and action.library is None:
        bpy.data.actions.remove(action)


def sample_solved_camera(
    scene: bpy.types.Scene,
    camera: bpy.types.Object,
    frames: Sequence[int],
    size: tuple[int, int],
) -> SolvedCamera:
    """Read a camera that films what the clip's camera filmed, at scene frames, for pictures (W, H)
    of the clip. Raises CameraError as sample_camera does."""
    view_layer = view_layer_of(scene, camera)
    poses, intrinsics = [], []
    with frames_restored(scene):
        for frame in frames:
            scene.frame_set(frame)
            current = evaluated(camera, view_layer.depsgraph)
            check_lens(current, frame)
            pose = matrix_of(current)
            what = f"The camera {camera.name!r}"
            pose[:3, :3] = nearest_rotation(pose[:3, :3], what, frame, current)
            poses.append(pose)
            intrinsics.append(intrinsics_of(current, view_layer.depsgraph, scene.render, size))
    return SolvedCamera(np.stack(poses), np.stack(intrinsics), size)


def unkey_root(root: bpy.types.Object) -> None:
    """Let a mesh object stand again where it stood before a solved camera moved it. What else is
    animated stays, and keys that the artist has edited."""
    if not root.get("ex4d_solved") or _is_edited(root):
        return
    _remove_keys(root, _ROOT_PATHS)
    stood = np.array(root.get("ex4d_stood", np.eye(4).ravel())).reshape(4, 4)
    root.rotation_mode = root.get("ex4d_stood_mode", "XYZ")
    scale = tuple(root.scale)  # may have been given since
    root.matrix_basis = Matrix(stood.tolist())
    root.scale = scale
    for name in ("ex4d_solved", "ex4d_stood", "ex4d_stood_mode", "ex4d_world_to_keys", "ex4d_made"):
        root.pop(name, None)


def _quaternion_of(pose: np.ndarray) -> Quaternion:
    return Matrix(pose[:3, :3].tolist()).to_quaternion()


def place_source_camera(
    camera: bpy.types.Object,
    intrinsics: np.ndarray,  # [N, 3, 3], pixels of `size`, centres at +0.5
    size: tuple[int, int],
    *,
    first_frame: int = 1,
    render: bpy.types.RenderSettings | None = None,  # set to the plate's size and pixel aspect
) -> None:
    """Give a camera that lies in the mesh object's frame the lens and place of the source.

    A lens that changes from frame to frame is keyed. A picture of fx != fy is the same only with
    the pixel aspect of `render`.
    """
    width, height = size
    intrinsics = np.asarray(intrinsics, np.float64)
    focal_x, focal_y = intrinsics[:, 0, 0], intrinsics[:, 1, 1]
    aspect = float(focal_x[0] / focal_y[0])
    aspect = 1.0 if abs(aspect - 1) < 1e-6 else aspect
    data = camera.data
    data.type, data.sensor_fit = "PERSP", "HORIZONTAL"
    values = np.stack(
        [
            focal_x * data.sensor_width / width,
            0.5 - intrinsics[:, 0, 2] / width,
            (intrinsics[:, 1, 2] - height / 2) * aspect / width,
        ]
    )
    _set_or_key(data, values, first_frame)
    camera.matrix_parent_inverse.identity()
    camera.rotation_mode = "XYZ"
    camera.location, camera.scale = (0, 0, 0), (1, 1, 1)
    camera.rotation_euler = (np.pi / 2, 0, 0)
    if render is not None:
        render.resolution_x, render.resolution_y = width, height
        render.resolution_percentage = 100
        render.pixel_aspect_x, render.pixel_aspect_y = max(1.0, 1 / aspect), max(1.0, aspect)


def _set_or_key(data: bpy.types.Camera, values: np.ndarray, first_frame: int) -> None:
    """Set lens and shift [3, N]; key those that change."""
    _remove_keys(data, _KEYED)
    for name, track in zip(_KEYED, values, strict=True):
        setattr(data, name, track[0])
        if np.ptp(track) <= 1e-6 * max(1.0, abs(track[0])):
            continue
        for offset, value in enumerate(track):
            setattr(data, name, value)
            data.keyframe_insert(name, frame=first_frame + offset)
    for curve in fcurves_of(data):
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"
