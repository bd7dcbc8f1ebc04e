"""Camera paths put on a camera of the scene as keyframes."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Matrix

from ..axes import blender_from_world_to_camera
from ..compat import fcurves_of, own_action
from ..errors import CameraError
from ..mesh.mesh_points import mesh_points
from ..mesh.resting_mesh import is_driven, mesh_at_rest
from .camera_state import (
    SHEAR_TOLERANCE,
    evaluated,
    frames_restored,
    intrinsics_of,
    matrix_of,
    nearest_rotation,
    view_layer_of,
)
from .few_keys import dense_keys, few_keys
from .key_curves import MOTION_PATHS, motion_of_curves, write_motion
from .sampling import render_size
from .seen_error import SeenPath, nearest_depth

__all__ = ["apply_path"]

_LARGEST_ERROR_PX = 0.1  # of few keys, at whole frames
_AIMED_ERROR_PX = 0.08  # curves have 32 bits
_REPLACED = {*MOTION_PATHS, "rotation_euler", "rotation_axis_angle", "rotation_mode"}
_DELTAS = {"delta_location", "delta_rotation_euler", "delta_rotation_quaternion"}


def apply_path(
    camera: bpy.types.Object,
    root: bpy.types.Object,  # the imported mesh object
    extrinsics: np.ndarray,  # [T, 4, 4], world_to_camera relative to `root`
    *,
    first_frame: int = 1,
    scene: bpy.types.Scene | None = None,  # default: the one that is shown
    one_key_a_frame: bool = True,
) -> None:
    """Key location and rotation of a camera so that it takes these poses, one each frame.

    They are relative to where `root` stands at the first frame, wherever the playhead is; whatever
    the camera is a child of may move. Earlier keys of location and rotation are replaced; lens and
    shift stay, and so do curves that animate another object, too. Without `one_key_a_frame` there
    are few keys with handles, where at no frame anything in the scene's picture is then more than
    0.1 px from where it would be. Raises CameraError, before anything is changed, where something
    else decides on the camera's pose.
    """
    _check_free(camera)
    scene = scene or bpy.context.scene
    with frames_restored(scene):
        motion, seen = _motion(
            scene, camera, root, extrinsics, first_frame, measure=not one_key_a_frame
        )
    own_action(camera)
    _remove_curves(camera)
    camera.rotation_mode = "QUATERNION"
    keys = few_keys(motion, seen.error_px, _AIMED_ERROR_PX) if seen else dense_keys(motion)
    write_motion(camera, keys, first_frame)
    if seen and keys.slopes is not None:
        written = motion_of_curves(camera, first_frame, len(motion))
        if seen.error_px(written).max() > _LARGEST_ERROR_PX:
            _remove_curves(camera)
            write_motion(camera, dense_keys(motion), first_frame)
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


def _motion(
    scene: bpy.types.Scene,
    camera: bpy.types.Object,
    root: bpy.types.Object,
    extrinsics: np.ndarray,
    first_frame: int,
    *,
    measure: bool,
) -> tuple[np.ndarray, SeenPath | None]:
    """Location and quaternion [T, 7] of the camera for each pose, what it is a child of and its
    delta transforms taken out; and what it sees, where that is to be measured."""
    view_layer = view_layer_of(scene, camera, root)
    sight = _Sight(scene, root, len(extrinsics)) if measure and _sees(camera, root) else None
    follows = camera.parent is not None or _animates_deltas(camera)
    follows = follows or (sight is not None and (_moves(root) or _moves(camera.data)))
    motion: list[np.ndarray] = []
    before = None
    with mesh_at_rest(root, camera):
        for offset, pose in enumerate(blender_from_world_to_camera(extrinsics)):
            frame = first_frame + offset
            if before is None or follows:
                scene.frame_set(frame)
                current = _placed(camera, view_layer.depsgraph)
                stands = matrix_of(_placed(root, view_layer.depsgraph))
                before = stands if before is None else before
                parent = _parent_matrix(current, frame)
                of = f"The parent of {camera.name!r}"
                turn = nearest_rotation(parent[:3, :3], of, frame, current)
                what = f"The camera {camera.name!r}"
                nearest_rotation(matrix_of(current)[:3, :3], what, frame, current)
                delta_location = np.array(current.delta_location, np.float64)
                delta_rotation = current.delta_rotation_quaternion.normalized()
            world = before @ pose
            world[:3, :3] = nearest_rotation(world[:3, :3], "The mesh object", frame)
            place = np.linalg.solve(parent, world[:, 3])[:3] - delta_location
            basis = Matrix((turn.T @ world[:3, :3]).tolist()).to_quaternion()
            quaternion = np.array(delta_rotation.inverted() @ basis)
            if motion and quaternion @ motion[-1][3:] < 0:
                quaternion = -quaternion  # the same rotation, where neighbours interpolate
            motion.append(np.concatenate([place, quaternion]))
            if sight is not None:
                lens = intrinsics_of(current, view_layer.depsgraph, scene.render, sight.size)
                sight.note(world, parent, stands, lens)
    path = np.stack(motion)
    return path, sight.path(path) if sight is not None else None


class _Sight:
    """Takes note of what a camera sees along a path."""

    def __init__(self, scene: bpy.types.Scene, root: bpy.types.Object, n_frames: int) -> None:
        self.size = render_size(scene)
        self._points = mesh_points(root, n_frames)
        self._to_camera: list[np.ndarray] = []
        self._lenses: list[np.ndarray] = []
        self._nearest: list[float] = []

    def note(
        self, world: np.ndarray, parent: np.ndarray, root: np.ndarray, lens: np.ndarray
    ) -> None:
        """The next frame: the camera's pose [4, 4], what its channels and the mesh's points are
        relative to, its lens [3, 3]."""
        points = self._points[len(self._lenses)] @ root[:3, :3].T + root[:3, 3]
        self._nearest.append(nearest_depth(points, world, lens, self.size))
        self._to_camera.append(world[:3, :3].T @ parent[:3, :3])
        self._lenses.append(lens)

    def path(self, motion: np.ndarray) -> SeenPath:
        to_camera, lenses = np.stack(self._to_camera), np.stack(self._lenses)
        return SeenPath(motion, to_camera, lenses, self.size, np.array(self._nearest))


def _sees(camera: bpy.types.Object, root: bpy.types.Object) -> bool:
    """Whether there is a picture to measure in."""
    return bool(camera.data.type == "PERSP" and len(root.data.vertices))


def _moves(item: bpy.types.ID) -> bool:
    """Whether an object or a lens may differ from frame to frame."""
    if isinstance(item, bpy.types.Object) and (item.parent or len(item.constraints)):
        return True
    animation = item.animation_data
    keyed = animation is not None and (animation.action or len(animation.nla_tracks))
    return bool(keyed) or is_driven(item)


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
        if curve.data_path in MOTION_PATHS:
            getattr(camera, curve.data_path)[curve.array_index] = curve.evaluate(frame)
