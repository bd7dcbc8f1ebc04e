"""What Blender draws, as numbers."""

from __future__ import annotations

import numpy as np

__all__ = ["workbench_picture"]


def workbench_picture(bpy, path):
    """What the scene's camera shows, float [H, W, 3], 0 to 255."""
    scene = bpy.context.scene
    scene.render.use_sequencer = False
    scene.render.engine = "BLENDER_WORKBENCH"
    shading = scene.display.shading
    shading.light, shading.color_type, scene.display.render_aa = "FLAT", "TEXTURE", "OFF"
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(path), check_existing=False)
    values = np.array(image.pixels[:]).reshape(image.size[1], image.size[0], 4)
    return values[::-1, :, :3] * 255
