"""Cameras of the scene as camera paths, and the source's lens as a camera of the scene.

A pose is relative to the imported mesh object, so the artist may move, turn and scale that. The
picture's pixel centres lie at +0.5.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .axes import world_to_camera_from_blender
from .compat import fcurves_of
from .errors import CameraError
from .holes import HOLES_MODIFIER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import bpy

__all__ = [
    "CameraPath",
    "frames_restored",
    "place_source_camera",
    "render_size",
    "sample_camera",
]

_SHEAR_TOLERANCE = 5e-4  # the backend refuses rotations that are off by 1e-3
_KEYED = ("lens", "shift_x", "shift_y")


@dataclass(frozen=True)
class CameraPath:
    """One pose and lens for every frame."""

    extrinsics: np.ndarray  # float64 [T, 4, 4], world_to_camera, OpenCV axes
    intrinsics: np.ndarray  # float64 [T, 3, 3], pixels of `size`, centres at +0.5
    size: tuple[int, int]  # (W, H)


def render_size(scene: bpy.types.Scene) -> tuple[int, int]:
    """The (W, H) that a scene renders, its percentage included."""
    render = scene.render
    share = render.resolution_percentage
    return (
        max(1, render.resolution_x * share // 100),
        max(1, render.resolution_y * share // 100),
    )


@contextmanager
def frames_restored(scene: bpy.types.Scene) -> Iterator[None]:
    """Let the body go to other frames; the current frame and sub-frame come back in any case."""
    frame, subframe = scene.frame_current, scene.frame_subframe
    try:
        yield
    finally:
        scene.frame_set(frame, subframe=subframe)


def sample_camera(
    scene: bpy.types.Scene,
    camera: bpy.types.Object,
    root: bpy.types.Object,  # the imported mesh object
    frames: Sequence[float],
    *,
    size: tuple[int, int] | None = None,  # (W, H); default: what the scene renders
) -> CameraPath:
    """Read a perspective camera at scene frames, with parents, constraints, lens and shift.

    The world of the path is `root`, its scale taken out. Raises CameraError for another kind of
    camera, no frames, a camera or root outside the view layer, uneven scale or mirroring.
    """
    size = size or render_size(scene)
    if not len(frames):
        raise CameraError("There are no frames to sample: check the frame range of the shot.")
    view_layer = _view_layer_of(scene, camera, root)
    poses, intrinsics = [], []
    with _mesh_at_rest(root, camera), frames_restored(scene):
        for frame in frames:
            whole = int(np.floor(frame))
            scene.frame_set(whole, subframe=float(frame - whole))
            depsgraph = view_layer.depsgraph
            evaluated = _evaluated(camera, depsgraph)
            _check_lens(evaluated, frame)
            root_to_world = _matrix_of(_evaluated(root, depsgraph))
            poses.append(_relative_pose(_matrix_of(evaluated), root_to_world, camera, frame))
            intrinsics.append(_intrinsics_of(evaluated, depsgraph, scene.render, size))
    extrinsics = world_to_camera_from_blender(np.stack(poses))
    return CameraPath(extrinsics, np.stack(intrinsics), size)


def _view_layer_of(
    scene: bpy.types.Scene, camera: bpy.types.Object, root: bpy.types.Object
) -> bpy.types.ViewLayer:
    """The first view layer that evaluates both objects."""
    if camera.type != "CAMERA":
        raise CameraError(f"{camera.name!r} is not a camera: choose one.")
    for view_layer in scene.view_layers:
        view_layer.update()  # a scene that is not shown has no list of objects yet
        if all(view_layer.objects.get(item.name) == item for item in (camera, root)):
            return view_layer
    raise CameraError(
        f"{camera.name!r} and {root.name!r} are not together in a view layer of the scene "
        f"{scene.name!r}: link them there, or include their collections."
    )


@contextmanager
def _mesh_at_rest(root: bpy.types.Object, camera: bpy.types.Object) -> Iterator[None]:
    """Skip what no pose depends on: the drawing of holes, 4 ms a frame at 512x512, and where the
    camera hangs on no vertices and follows no constraint, the mesh's motion, 7 to 10 ms."""
    resting = [
        modifier
        for modifier in root.modifiers
        if modifier.show_viewport
        and (
            modifier.name == HOLES_MODIFIER
            or (modifier.type == "MESH_CACHE" and not _may_follow_vertices(camera))
        )
    ]
    for modifier in resting:
        modifier.show_viewport = False
    try:
        yield
    finally:
        for modifier in resting:
            modifier.show_viewport = True


def _may_follow_vertices(item: bpy.types.Object | None) -> bool:
    """Whether an object, or what it is a child of, has a constraint or a parent that is a part of
    an object: such a pose can depend on a mesh's shape."""
    while item is not None:
        if len(item.constraints) or (item.parent and item.parent_type != "OBJECT"):
            return True
        item = item.parent
    return False


def _check_lens(camera: bpy.types.Object, frame: float) -> None:
    kind = camera.data.type
    if kind != "PERSP":
        word = {"ORTHO": "orthographic", "PANO": "panoramic"}.get(kind, kind.lower())
        raise CameraError(
            f"{camera.name!r} is {word} at frame {frame:g}. EX-4D needs a perspective camera: "
            "change Type in its Lens settings, or choose another one."
        )


def _evaluated(item: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> bpy.types.Object:
    evaluated = item.evaluated_get(depsgraph)
    if not evaluated.is_evaluated:
        raise CameraError(f"{item.name!r} is hidden, so Blender does not move it: show it.")
    return evaluated


def _matrix_of(item: bpy.types.Object) -> np.ndarray:
    return np.array(item.matrix_world, np.float64)


def _relative_pose(
    camera_to_world: np.ndarray, root_to_world: np.ndarray, camera: bpy.types.Object, frame: float
) -> np.ndarray:
    """The camera in the root's frame [4, 4], rigid: a picture does not change when the mesh and
    the way to the camera are scaled alike."""
    sides = np.linalg.norm(root_to_world[:3, :3], axis=0)
    _nearest_rotation(root_to_world[:3, :3], "The mesh object", frame)
    if not sides.min() > 0 or sides.max() / sides.min() > 1 + _SHEAR_TOLERANCE:
        raise CameraError(
            f"The mesh object is scaled unevenly at frame {frame:g}: give it one scale."
        )
    rotation = _nearest_rotation(camera_to_world[:3, :3], f"The camera {camera.name!r}", frame)
    pose = np.linalg.solve(root_to_world, camera_to_world)
    root_rotation = _nearest_rotation(root_to_world[:3, :3], "The mesh object", frame)
    pose[:3, :3] = root_rotation.T @ rotation
    pose[3] = (0, 0, 0, 1)
    return pose


def _nearest_rotation(matrix: np.ndarray, what: str, frame: float) -> np.ndarray:
    """The rotation in a matrix [3, 3] whose columns may be scaled. Raises CameraError, which names
    `what`, when it mirrors, flattens or shears."""
    lengths = np.linalg.norm(matrix, axis=0)
    if not np.isfinite(matrix).all() or lengths.min() <= 0:
        raise CameraError(f"{what} has no size at frame {frame:g}: its scale is 0.")
    columns = matrix / lengths
    if np.linalg.det(columns) < 0:
        raise CameraError(f"{what} is mirrored at frame {frame:g}: make its scale positive.")
    u, _, v = np.linalg.svd(columns)
    rotation = u @ v
    if np.abs(rotation - columns).max() > _SHEAR_TOLERANCE:
        raise CameraError(
            f"{what} is sheared at frame {frame:g} by a parent of uneven scale: apply that scale."
        )
    return rotation


def _intrinsics_of(
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
    data.animation_data_clear()
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
