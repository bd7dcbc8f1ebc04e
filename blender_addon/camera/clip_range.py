"""How near and how far a camera sees: as far as the mesh reaches, whatever scale that is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import bpy

    from ..jobs.reconstruction import Reconstruction

__all__ = ["drive_clip_range"]

_NEAR_SHARE, _FAR_FACTOR = 0.02, 4.0  # of the nearest depth and of the border depth


def drive_clip_range(
    data: bpy.types.Camera, root: bpy.types.Object, reconstruction: Reconstruction
) -> None:
    """Let a camera's clip start and end grow with the mesh object's scale in the world.

    The drivers' expressions are simple ones, which play where scripts may not run.
    """
    distances = {
        "clip_start": _NEAR_SHARE * reconstruction.nearest_depth,
        "clip_end": _FAR_FACTOR * reconstruction.border_depth,
    }
    for name, distance in distances.items():
        data.driver_remove(name)
        driver = data.driver_add(name).driver
        variable = driver.variables.new()
        variable.name, variable.type = "scale", "TRANSFORMS"
        target = variable.targets[0]
        target.id, target.transform_type = root, "SCALE_AVG"
        target.transform_space = "WORLD_SPACE"
        driver.expression = f"scale * {distance!r}"
        setattr(data, name, distance)
