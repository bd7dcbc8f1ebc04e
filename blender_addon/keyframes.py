"""Camera paths put on a camera of the scene as keyframes."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Matrix, Quaternion, Vector

from .axes import blender_from_world_to_camera
from .camera_state import (
    SHEAR_TOLERANCE,
    evaluated,
    frames_restored,
    matrix_of,
    nearest_rotation,
    view_layer_of,
)
from .compat import fcurves_of, own_action
from .errors import CameraError
from .resting_mesh import mesh_at_rest

__all__ = ["apply_path"]

_CURVES = ("location", "rotation_quaternion")
_REPLACED = {*_CURVES, "rotation_euler", "rotation_axis_angle", "rotation_mode"}
_DELTAS = {"delta_location", "delta_rotation_euler", "delta_rotation_quaternion"}


def apply_path(
    camera: bpy.types.Object,
    root: bpy.types.Object,  # the imported mesh object
    extrinsics: np.ndarray,  # [T, 4, 4], world_to_camera relative to `root`
    *,
    first_frame: int = 1,
    scene: bpy.types.Scene | None = None,  # default: the one that is shown
) -> None:
    """Key location and rotation of a camera at every frame so that it takes these poses.

    They are relative to where `root` stands at the first frame, wherever the playhead is; whatever
    the camera is a child of may move. Earlier keys of location and rotation are replaced; lens and
    shift stay, and so do curves that animate another object, too. Raises CameraError, before
    anything is changed, where something else decides on the camera's pose.
    """
    _check_free(camera)
    scene = scene or bpy.context.scene
    with frames_restored(scene):
        poses = _channels(scene, camera, root, extrinsics, first_frame)
    own_action(camera)
    _remove_curves(camera)
    camera.rotation_mode = "QUATERNION"
    before = None
    for offset, (location, rotation) in enumerate(poses):
        if before is not None and rotation.dot(before) < 0:
            rotation.negate()  # the same rotation, on the side where neighbours interpolate
        before = rotation.copy()
        camera.location, camera.rotation_quaternion = location, rotation
        for name in _CURVES:
            camera.keyframe_insert(name, frame=first_frame + offset)
    for curve in fcurves_of(camera):
        if curve.data_path in _CURVES:
            for point in curve.keyframe_points:
                point.interpolation = "LINEAR"
    _show_frame(camera, scene.frame_current_final)


def _check_free(camera: bpy.types.Object) -> None:
    """Raises CameraError where keys of location and rotation would not be the camera's pose."""
    name = camera.name
    override = camera.override_library
    if camera.library is not None or (override is not None and override.is_system_override):
        raise CameraError(
            f"{name!r} is linked from another file: make it local, or an editable library override."
        )
    active = [constraint.name for constraint in camera.constraints if not constraint.mute]
    if active:
        raise CameraError(
            f"{name!r} follows the constraint {active[0]!r}, which would override the path: mute "
            "or remove it first."
        )
    if camera.rigid_body is not None:
        raise CameraError(f"{name!r} is moved by rigid body physics: remove that first.")
    animation = camera.animation_data
    if animation is None:
        return
    if animation.action is not None and animation.action.library is not None:
        raise CameraError(
            f"The keys of {name!r} are linked from another file: make its action local first."
        )
    driven = [c.data_path for c in animation.drivers if c.data_path in _REPLACED | _DELTAS]
    if driven:
        raise CameraError(
            f"A driver sets {driven[0].replace('_', ' ')} of {name!r}, which would override the "
            "path: remove it first."
        )
    strips = [strip for track in animation.nla_tracks if not track.mute for strip in track.strips]
    if animation.use_tweak_mode or (animation.use_nla and any(not s.mute for s in strips)):
        raise CameraError(
            f"{name!r} is animated by NLA strips, which would change the path: mute them first."
        )


def _channels(
    scene: bpy.types.Scene,
    camera: bpy.types.Object,
    root: bpy.types.Object,
    extrinsics: np.ndarray,
    first_frame: int,
) -> list[tuple[Vector, Quaternion]]:
    """Location and rotation of the camera for each pose, what it is a child of and its delta
    transforms taken out."""
    view_layer = view_layer_of(scene, camera, root)
    follows = camera.parent is not None or _animates_deltas(camera)
    found, before = [], None
    with mesh_at_rest(root, camera):
        for offset, pose in enumerate(blender_from_world_to_camera(extrinsics)):
            frame = first_frame + offset
            if before is None or follows:
                scene.frame_set(frame)
                current = _placed(camera, view_layer.depsgraph)
                if before is None:
                    before = matrix_of(_placed(root, view_layer.depsgraph))
                parent = _parent_matrix(current, frame)
                of = f"The parent of {camera.name!r}"
                turn = nearest_rotation(parent[:3, :3], of, frame, current)
                what = f"The camera {camera.name!r}"
                nearest_rotation(matrix_of(current)[:3, :3], what, frame, current)
                delta_location = np.array(current.delta_location, np.float64)
                delta_rotation = current.delta_rotation_quaternion.normalized()
            world = before @ pose
            rotation = nearest_rotation(world[:3, :3], "The mesh object", frame)
            place = np.linalg.solve(parent, world[:, 3])[:3] - delta_location
            basis = Matrix((turn.T @ rotation).tolist()).to_quaternion()
            found.append((Vector(place.tolist()), delta_rotation.inverted() @ basis))
    return found


def _placed(item: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> bpy.types.Object:
    """An object where it is at the current frame; one that nothing moves may be hidden."""
    moves = item.parent is not None or item.animation_data is not None or len(item.constraints)
    if not moves and not item.evaluated_get(depsgraph).is_evaluated:
        return item
    return evaluated(item, depsgraph)


def _parent_matrix(camera: bpy.types.Object, frame: int) -> np.ndarray:
    """What an evaluated camera's own transform [4, 4] is relative to, bones and vertices too."""
    if camera.parent is None:
        return np.eye(4)
    own = np.array(camera.matrix_basis, np.float64)
    if abs(np.linalg.det(own)) < 1e-12:
        raise CameraError(
            f"The camera {camera.name!r} has no size at frame {frame}: its scale is 0."
        )
    parent = matrix_of(camera) @ np.linalg.inv(own)
    sides = np.linalg.norm(parent[:3, :3], axis=0)
    if sides.max() > sides.min() * (1 + SHEAR_TOLERANCE):
        raise CameraError(
            f"The parent of {camera.name!r} is scaled unevenly at frame {frame}: give it one scale."
        )
    return parent


def _animates_deltas(camera: bpy.types.Object) -> bool:
    return any(curve.data_path in _DELTAS for curve in fcurves_of(camera))


def _remove_curves(camera: bpy.types.Object) -> None:
    curves = fcurves_of(camera)
    for curve in [curve for curve in curves if curve.data_path in _REPLACED]:
        curves.remove(curve)


def _show_frame(camera: bpy.types.Object, frame: float) -> None:
    """Give a camera the pose that its new curves have at a frame, not that of the last key."""
    for curve in fcurves_of(camera):
        if curve.data_path in _CURVES:
            getattr(camera, curve.data_path)[curve.array_index] = curve.evaluate(frame)
