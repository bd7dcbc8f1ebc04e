"""Camera paths put on a camera of the scene as keyframes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from mathutils import Matrix

from .axes import blender_from_world_to_camera
from .compat import fcurves_of
from .errors import CameraError

if TYPE_CHECKING:
    import bpy

__all__ = ["apply_path"]

_CURVES = ("location", "rotation_quaternion")


def apply_path(
    camera: bpy.types.Object,
    root: bpy.types.Object,  # the imported mesh object
    extrinsics: np.ndarray,  # [T, 4, 4], world_to_camera relative to `root`
    *,
    first_frame: int = 1,
) -> None:
    """Key location and rotation of a camera at every frame so that it takes these poses.

    Earlier keys of both are replaced; lens and shift stay. Where the camera is not a child of
    `root`, it follows `root` as that stands now. Raises CameraError for a camera with constraints.
    """
    active = [constraint.name for constraint in camera.constraints if not constraint.mute]
    if active:
        raise CameraError(
            f"{camera.name!r} follows the constraint {active[0]!r}, which would override the "
            "path: mute or remove it first."
        )
    basis = _into_basis(camera, root) @ blender_from_world_to_camera(extrinsics)
    curves = fcurves_of(camera)
    for curve in [curve for curve in curves if curve.data_path in (*_CURVES, "rotation_euler")]:
        curves.remove(curve)
    camera.rotation_mode = "QUATERNION"
    before = None
    for offset, matrix in enumerate(basis):
        location, rotation, _ = Matrix(matrix.tolist()).decompose()
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


def _into_basis(camera: bpy.types.Object, root: bpy.types.Object) -> np.ndarray:
    """The transform [4, 4] from the root's frame to the one that the camera's channels are in."""
    inverse = np.linalg.inv(np.array(camera.matrix_parent_inverse, np.float64))
    if camera.parent == root:
        return inverse
    root_to_world = np.array(root.matrix_world, np.float64)
    if camera.parent is None:
        return root_to_world
    return inverse @ np.linalg.solve(np.array(camera.parent.matrix_world), root_to_world)
