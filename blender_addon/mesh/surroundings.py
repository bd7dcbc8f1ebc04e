"""What a camera sees beside the plate: as much invented as holes are, and shown as they are.

A picture behind the camera's frame does that in the 3D views; it is no part of renders.
"""

from __future__ import annotations

import bpy

__all__ = ["show_surroundings"]

_TAG = "ex4d_surroundings"
_COLOR = (1.0, 0.0, 0.8, 1.0)  # sRGB, of the holes in the Solid view


def show_surroundings(camera: bpy.types.Object) -> None:
    """Let a camera of ours show the colour of holes wherever its frame shows nothing. Once: where
    the artist takes that away, or has pictures there, it stays so."""
    data = camera.data
    if _TAG in data or len(data.background_images):
        return
    data[_TAG] = True
    behind = data.background_images.new()
    behind.image = _image()
    behind.alpha, behind.display_depth, behind.frame_method = 1.0, "BACK", "STRETCH"
    data.show_background_images = True


def _image() -> bpy.types.Image:
    """One for a file."""
    for image in bpy.data.images:
        if _TAG in image and image.library is None:
            return image
    image = bpy.data.images.new("EX-4D Outside of the Clip", 8, 8)
    image.generated_color = _COLOR
    image[_TAG] = True
    return image
