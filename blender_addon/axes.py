"""OpenCV's and Blender's axes: the one place where they are exchanged.

World: (x, y, z) of OpenCV is (x, z, -y) of Blender; the source camera looks along Blender's +Y.
Cameras: OpenCV's look along +z with y down, Blender's along -z with y up.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "BLENDER_FROM_OPENCV",
    "SOURCE_CAMERA",
    "blender_from_world_to_camera",
    "world_to_camera_from_blender",
]

BLENDER_FROM_OPENCV = np.array(
    [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)
# The clip's own camera in the mesh object's frame: at its origin, looking along Blender's +Y.
SOURCE_CAMERA = np.array(
    [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)
_CAMERA_AXES = np.diag([1.0, -1.0, -1.0, 1.0])  # its own inverse


def world_to_camera_from_blender(camera_to_root: np.ndarray) -> np.ndarray:
    """Turn rigid poses of Blender cameras [..., 4, 4], relative to the mesh object, into
    world_to_camera [..., 4, 4] with OpenCV's axes on both sides."""
    return np.linalg.inv(BLENDER_FROM_OPENCV.T @ camera_to_root @ _CAMERA_AXES)


def blender_from_world_to_camera(world_to_camera: np.ndarray) -> np.ndarray:
    """Turn world_to_camera [..., 4, 4] into poses of Blender cameras relative to the mesh object.

    The inverse of `world_to_camera_from_blender`.
    """
    return BLENDER_FROM_OPENCV @ np.linalg.inv(world_to_camera) @ _CAMERA_AXES
