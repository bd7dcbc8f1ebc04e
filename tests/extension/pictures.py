"""What Blender draws, as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["pixels", "rendered", "sequencer_picture", "workbench_picture"]


def workbench_picture(bpy, path: Path) -> np.ndarray:
    """What Workbench draws of what the scene's camera shows: [H, W, 3], sRGB 0..255."""
    scene = bpy.context.scene
    scene.render.use_sequencer = False
    scene.render.engine = "BLENDER_WORKBENCH"
    shading = scene.display.shading
    shading.light, shading.color_type, scene.display.render_aa = "FLAT", "TEXTURE", "OFF"
    return _written(bpy, path)


def sequencer_picture(bpy, path: Path) -> np.ndarray:
    """What the scene's strips show: [H, W, 3], sRGB 0..255."""
    bpy.context.scene.render.use_sequencer = True
    return _written(bpy, path)


def rendered(bpy, path: Path, engine: str = "CYCLES", *, samples: int = 1) -> np.ndarray:
    """What Cycles or EEVEE makes of what the scene's camera shows: [H, W, 3], sRGB 0..255."""
    scene = bpy.context.scene
    if engine == "EEVEE":
        engine = "BLENDER_EEVEE" if bpy.app.version >= (5, 0, 0) else "BLENDER_EEVEE_NEXT"
    scene.render.engine = engine
    scene.render.use_sequencer = False
    scene.cycles.samples, scene.cycles.use_denoising = samples, False
    scene.eevee.taa_render_samples = samples
    scene.cycles.pixel_filter_type, scene.cycles.filter_width = "BOX", 0.01
    scene.render.dither_intensity = 0
    return _written(bpy, path)


def pixels(bpy, path: Path) -> np.ndarray:
    """A picture's values [H, W, 3], 0..255."""
    image = bpy.data.images.load(str(path))
    values = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(values)
    shown = values.reshape(image.size[1], image.size[0], 4)[::-1, :, :3] * 255
    bpy.data.images.remove(image)
    return shown


def _written(bpy, path: Path) -> np.ndarray:
    scene = bpy.context.scene
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    return pixels(bpy, path)
