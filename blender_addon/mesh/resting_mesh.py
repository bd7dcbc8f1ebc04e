"""The mesh while cameras are sampled: what no pose depends on rests, for it takes its time."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from .holes import HOLES_MODIFIER

if TYPE_CHECKING:
    from collections.abc import Iterator

    import bpy

__all__ = ["is_driven", "mesh_at_rest"]

_NO_PART = {"clip_start", "clip_end"}  # of poses and lenses


@contextmanager
def mesh_at_rest(root: bpy.types.Object, *cameras: bpy.types.Object) -> Iterator[None]:
    """Skip the drawing of holes, 4 ms a frame at 512x512, and where no pose or lens of the cameras
    can depend on the mesh's shape, the mesh's motion, 7 to 10 ms."""
    may_follow = any(map(_may_follow_vertices, (*cameras, root)))
    resting = [
        modifier
        for modifier in root.modifiers
        if modifier.show_viewport
        and (modifier.name == HOLES_MODIFIER or (modifier.type == "MESH_CACHE" and not may_follow))
    ]
    for modifier in resting:
        modifier.show_viewport = False
    try:
        yield
    finally:
        for modifier in resting:
            modifier.show_viewport = True


def _may_follow_vertices(item: bpy.types.Object | None) -> bool:
    """Whether an object, or what it is a child of, has a constraint, a driver, physics or a parent
    that is a part of an object: such a pose can depend on a mesh's shape in any number of steps."""
    while item is not None:
        if len(item.constraints) or (item.parent and item.parent_type != "OBJECT"):
            return True
        if item.rigid_body is not None or is_driven(item) or is_driven(item.data):
            return True
        item = item.parent
    return False


def is_driven(datablock: bpy.types.ID | None) -> bool:
    """Whether a driver may change a pose or a lens."""
    animation = getattr(datablock, "animation_data", None)
    drivers = animation.drivers if animation is not None else ()
    return any(driver.data_path not in _NO_PART for driver in drivers)
