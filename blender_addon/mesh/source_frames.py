"""Which frame of the clip a mesh shows: one rule for its points, holes and picture, and for the
poses of its takes.

At time t of the scene the mesh shows its frame floor(t - first + 1/2), the first before it begins
and the last after it ends: the nearest one, of two the later. Time is what keys are evaluated at:
the scene's frame with its subframe, times old / new of Time Stretching. Blender's parts differ:

points    Mesh Cache takes the nearest frame by itself.
holes     Geometry nodes get the time as it is; nodes round it.
picture   Workbench and EEVEE cut the time to a whole frame; Cycles cuts the scene's frame and
          passes over Time Stretching. A texture of one frame, repeated, shows the one that its
          offset says whatever the engine thinks that time is: a driver sets the offset. Its
          expression is a simple one, which plays without the add-on and where scripts may not run.
takes     One picture for each frame of the mesh, with the camera as it is keyed at that frame's
          own time, t = first + k. Stretched time lets Blender show a frame longer or not at all;
          neither that nor a subframe changes a take.

The nearest frame, not the last begun: what a motion blur around a frame sees then is that frame,
unless the shutter is open for a whole one. Points of the mesh do not move from frame to frame, each
frame has others: their motion is not blurred.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..compat import fcurves_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import bpy

__all__ = [
    "add_frame_number",
    "copy_shown_frames",
    "keep_points_sharp",
    "show_frames",
    "unstretched",
]

_OFFSET = ".frame_offset"


def add_frame_number(
    group: bpy.types.NodeTree, first_frame: int, n_frames: int
) -> bpy.types.NodeSocket:
    """Add geometry nodes that tell the number of the mesh's frame, from 0, to a group."""
    time = group.nodes.new("GeometryNodeInputSceneTime")
    since = _math(group, "SUBTRACT", time.outputs["Frame"], first_frame)
    nearest = _math(group, "FLOOR", _math(group, "ADD", since, 0.5), 0)
    started = _math(group, "MAXIMUM", nearest, 0)
    return _math(group, "MINIMUM", started, n_frames - 1)


def _math(
    group: bpy.types.NodeTree, operation: str, value: bpy.types.NodeSocket, other: float
) -> bpy.types.NodeSocket:
    node = group.nodes.new("ShaderNodeMath")
    node.operation = operation
    group.links.new(value, node.inputs[0])
    node.inputs[1].default_value = other
    return node.outputs[0]


def show_frames(
    texture: bpy.types.ShaderNodeTexImage,
    *,
    first_frame: int,
    n_frames: int,
    start: int,  # what comes first: a movie's frame, or a picture's number less 1
    stride: int,  # from one to the next
) -> None:
    """Let the texture of a movie or a sequence show at each time what belongs to the mesh's
    frame."""
    number = f"clamp(floor(frame - {first_frame} + 0.5), 0, {n_frames - 1})"
    user = texture.image_user
    user.frame_offset = start  # of a texture that is copied without its driver
    _drive(texture, f"{start} + {stride} * {number}")
    user.frame_start = first_frame  # of no effect now; read by people


def copy_shown_frames(texture: bpy.types.ShaderNodeTexImage, to: bpy.types.Node) -> None:
    """Let a texture of another tree show what one shows that `show_frames` has set."""
    path = texture.path_from_id("image_user") + _OFFSET
    drivers = texture.id_data.animation_data.drivers
    expression = drivers.find(path).driver.expression
    to.image_user.frame_start = texture.image_user.frame_start
    _drive(to, expression)


def _drive(texture: bpy.types.ShaderNodeTexImage, expression: str) -> None:
    user = texture.image_user
    user.frame_duration, user.use_cyclic, user.use_auto_refresh = 1, True, True
    curves, path = fcurves_of(texture.id_data), texture.path_from_id("image_user") + _OFFSET
    for curve in [curve for curve in curves if curve.data_path == path]:
        curves.remove(curve)  # keys of an older version
    user.driver_remove("frame_offset")
    user.driver_add("frame_offset").driver.expression = expression


def keep_points_sharp(root: bpy.types.Object) -> None:
    """Let a motion blur of Cycles leave the points of the mesh where they are in its frame. The
    motion of the object and of the camera is blurred."""
    if hasattr(root, "cycles"):  # its add-on may be off
        root.cycles.use_deform_motion = False


@contextmanager
def unstretched(scene: bpy.types.Scene) -> Iterator[None]:
    """Let the scene's frames be times while the body goes through them."""
    render = scene.render
    stretching = render.frame_map_old, render.frame_map_new
    if stretching[0] == stretching[1]:
        yield
        return
    render.frame_map_old = render.frame_map_new = 100
    try:
        yield
    finally:
        render.frame_map_old, render.frame_map_new = stretching
