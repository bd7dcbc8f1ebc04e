"""A camera of the scene as it is at one frame, with all that moves it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from ..errors import CameraError
from ..mesh.source_frames import unstretched
from .unkeyed import unkeyed_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import bpy

__all__ = [
    "SHEAR_TOLERANCE",
    "check_lens",
    "evaluated",
    "frames_restored",
    "intrinsics_of",
    "matrix_of",
    "nearest_rotation",
    "view_layer_of",
    "view_layer_with",
]

SHEAR_TOLERANCE = 5e-4  # the backend refuses rotations that are off by 1e-3


@contextmanager
def frames_restored(scene: bpy.types.Scene) -> Iterator[None]:
    """Let the body go to other frames, as keys count them, whatever Time Stretching says; the
    current frame and sub-frame come back in any case, the scene's camera, which markers switch on
    the way, and what was changed and not yet keyed."""
    frame, subframe, camera = scene.frame_current, scene.frame_subframe, scene.camera
    unkeyed = unkeyed_values(scene)
    try:
        with unstretched(scene):
            yield
    finally:
        scene.frame_set(frame, subframe=subframe)
        if scene.camera != camera:
            scene.camera = camera
        for value in unkeyed:
            value.restore()


def check_lens(camera: bpy.types.Object, frame: float) -> None:
    kind = camera.data.type
    if kind != "PERSP":
        word = {"ORTHO": "orthographic", "PANO": "panoramic"}.get(kind, kind.lower())
        raise CameraError(
            f"{camera.name!r} is {word} at frame {frame:g}. EX-4D needs a perspective camera: "
            "change Type in its Lens settings, or choose another one."
        )


def evaluated(item: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> bpy.types.Object:
    evaluated = item.evaluated_get(depsgraph)
    if not evaluated.is_evaluated:
        raise CameraError(f"{item.name!r} is hidden, so Blender does not move it: show it.")
    return evaluated


def matrix_of(item: bpy.types.Object) -> np.ndarray:
    return np.array(item.matrix_world, np.float64)


def nearest_rotation(
    matrix: np.ndarray, what: str, frame: float, item: bpy.types.Object | None = None
) -> np.ndarray:
    """The rotation in a matrix [3, 3] whose columns may be scaled. Raises CameraError, which names
    `what`, when it mirrors, flattens or shears; and, where it is the world matrix of an evaluated
    object, the parent that does so."""
    lengths = np.linalg.norm(matrix, axis=0)
    if not np.isfinite(matrix).all() or lengths.min() <= 0:
        whose = _blamed(item, _is_flat)
        raise CameraError(f"{what} has no size at frame {frame:g}: {whose} scale is 0.")
    columns = matrix / lengths
    if np.linalg.det(columns) < 0:
        whose = _blamed(item, _is_mirrored)
        raise CameraError(f"{what} is mirrored at frame {frame:g}: make {whose} scale positive.")
    u, _, v = np.linalg.svd(columns)
    rotation = u @ v
    if np.abs(rotation - columns).max() > SHEAR_TOLERANCE:
        parent = _uneven_parent(item)
        by = f"the uneven scale of {parent.name!r}" if parent else "a parent of uneven scale"
        raise CameraError(f"{what} is sheared at frame {frame:g} by {by}: apply that scale.")
    return rotation


def _is_flat(matrix: np.ndarray) -> bool:
    return not np.linalg.norm(matrix, axis=0).min() > 0


def _is_mirrored(matrix: np.ndarray) -> bool:
    return bool(np.linalg.det(matrix) < 0)


def _blamed(item: bpy.types.Object | None, fault: Callable[[np.ndarray], bool]) -> str:
    """Whose scale is at fault: the object's own, or that of the parent where the fault begins."""
    cause = item
    while cause is not None and cause.parent is not None:
        if not fault(matrix_of(cause.parent)[:3, :3]):
            break
        cause = cause.parent
    return "its" if cause is None or cause is item else f"the {cause.name!r} object's"


def _uneven_parent(item: bpy.types.Object | None) -> bpy.types.Object | None:
    """The nearest parent that has another scale in one direction than in another."""
    parent = item.parent if item is not None else None
    while parent is not None:
        sides = np.abs(np.array(parent.scale) * np.array(parent.delta_scale))
        if sides.max() > sides.min() * (1 + SHEAR_TOLERANCE):
            return parent
        parent = parent.parent
    return None


def intrinsics_of(
    camera: bpy.types.Object,
    depsgraph: bpy.types.Depsgraph,
    render: bpy.types.RenderSettings,
    size: tuple[int, int],
) -> np.ndarray:
    width, height = size
    projection = camera.calc_matrix_camera(
        depsgraph,
        x=width,
        y=height,
        scale_x=render.pixel_aspect_x,
        scale_y=render.pixel_aspect_y,
    )
    return np.array(
        [
            [projection[0][0] * width / 2, 0, width / 2 * (1 - projection[0][2])],
            [0, projection[1][1] * height / 2, height / 2 * (1 + projection[1][2])],
            [0, 0, 1],
        ]
    )


def view_layer_of(
    scene: bpy.types.Scene, camera: bpy.types.Object, *others: bpy.types.Object
) -> bpy.types.ViewLayer:
    """The first view layer that evaluates a camera and all these objects."""
    if camera.type != "CAMERA":
        raise CameraError(f"{camera.name!r} is not a camera: choose one.")
    return view_layer_with(scene, camera, *others)


def view_layer_with(scene: bpy.types.Scene, *items: bpy.types.Object) -> bpy.types.ViewLayer:
    """The first view layer that evaluates all these objects."""
    for view_layer in scene.view_layers:
        view_layer.update()  # a scene that is not shown has no list of objects yet
        if set(items) <= set(view_layer.objects):  # a linked one may have a local one's name
            return view_layer
    names = " and ".join(repr(item.name) for item in items)
    are = "are not together" if len(items) > 1 else "is not"
    raise CameraError(
        f"{names} {are} in a view layer of the scene {scene.name!r}: link them there, or include "
        "their collections."
    )
