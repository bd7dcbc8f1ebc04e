"""What the imported sample shot looks like: the plate from its own camera, holes from the side."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs pip's bpy")

from extension.blender_addon.camera.keyframes import apply_path  # noqa: E402
from extension.blender_addon.jobs.cache_files import write_cache  # noqa: E402
from extension.blender_addon.jobs.reconstruction import Reconstruction  # noqa: E402
from extension.blender_addon.mesh.holes import HOLES_MODIFIER  # noqa: E402
from extension.blender_addon.presets import orbit_radius, preset_path  # noqa: E402
from extension.blender_addon.scene.scene_import import ShotSettings, import_shot  # noqa: E402

pytestmark = pytest.mark.blender

SHOT = Path(__file__).parents[2] / "examples" / "shot"
FIRST = 11
PLATE_FRAMES = (0, 1, 17, 33, 48)


def rendered(scene, tmp_path, name="view"):
    """The picture [H, W, 3] float, sRGB 0..255, that the scene renders now."""
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(tmp_path / f"{name}.png")
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(scene.render.filepath)
    values = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(values)
    values = values.reshape(image.size[1], image.size[0], 4)[::-1, :, :3] * 255
    bpy.data.images.remove(image)
    return values


def plates():
    av = pytest.importorskip("av", reason="decodes the plate independently of Blender")
    with av.open(str(SHOT / "input.mp4")) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def use_cycles(scene):
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = 1, False
    scene.cycles.pixel_filter_type, scene.cycles.filter_width = "BOX", 0.01
    scene.render.dither_intensity = 0


def use_workbench(scene):
    """Skips where Workbench cannot draw: it needs libegl1 libegl-mesa0 libgl1-mesa-dri."""
    import ctypes.util

    if sys.platform == "linux" and not ctypes.util.find_library("EGL"):
        pytest.skip("Workbench needs libegl1 libegl-mesa0 libgl1-mesa-dri")
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.display.render_aa = "OFF"
    shading = scene.display.shading
    shading.light, shading.color_type = "FLAT", "TEXTURE"


@pytest.fixture
def shot_in_scene(scene, shot, tmp_path):
    files = write_cache(shot, tmp_path / "cache", "shot")
    settings = ShotSettings("shot", SHOT / "input.mp4", first_frame=FIRST, set_scene=True)
    made = import_shot(scene, shot, files, settings)
    made.root.location, made.root.rotation_euler = (1, -2, 0.5), (0.1, 0.2, 0.7)
    made.root.scale = (1.5, 1.5, 1.5)
    scene.camera = made.source_camera
    return made


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["cycles", "workbench"])
def test_the_source_camera_shows_the_plate(scene, shot_in_scene, tmp_path, engine):
    """With holes shown in Cycles; Workbench has no rays to hide them by, so they rest."""
    if engine == "cycles":
        use_cycles(scene)
    else:
        use_workbench(scene)
        shot_in_scene.root.modifiers[HOLES_MODIFIER].show_render = False
    expected = plates()
    for frame in PLATE_FRAMES:
        scene.frame_set(FIRST + frame)
        picture = rendered(scene, tmp_path)[2:-2, 2:-2]
        errors = [
            np.mean((picture - expected[f][2:-2, 2:-2]) ** 2)
            for f in range(max(0, frame - 1), min(49, frame + 2))
        ]
        own = np.mean((picture - expected[frame][2:-2, 2:-2]) ** 2)
        psnr = 10 * np.log10(255**2 / own)
        print(f"{engine} frame {frame}: {psnr:.1f} dB")
        assert psnr >= 30
        assert own == min(errors)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["cycles", "workbench"])
def test_holes_show_from_the_side(scene, shot, shot_in_scene, tmp_path, engine):
    """Magenta from 40 degrees to the side; from the source camera, Cycles shows none."""
    use_cycles(scene) if engine == "cycles" else use_workbench(scene)
    scene.render.resolution_percentage = 100 if engine == "workbench" else 50
    made = shot_in_scene
    path = preset_path("40", 49, orbit_radius(shot.depth(0)))
    apply_path(made.shot_camera, made.root, path, first_frame=FIRST)
    scene.camera = made.shot_camera
    scene.frame_set(FIRST + 48)
    picture = rendered(scene, tmp_path, f"side_{engine}")
    assert is_magenta(picture).mean() > 0.02
    if engine == "cycles":
        scene.frame_set(FIRST)
        assert is_magenta(rendered(scene, tmp_path)).mean() < 1e-3


def is_magenta(picture):
    red, green, blue = np.moveaxis(picture, -1, 0)
    return (red > 150) & (green < 60) & (blue > 100)


@pytest.mark.slow
def test_strided_movies_show_each_nth_frame(scene, shot, tmp_path):
    use_cycles(scene)
    clip = Reconstruction(
        shot.disparity[4::5],
        shot.disparity_min,
        shot.disparity_max,
        shot.intrinsics[4::5],
        shot.border_depth,
        shot.holes[4::5],
        shot.fps,
    )
    files = write_cache(clip, tmp_path / "cache", "shot", stride=2)
    settings = ShotSettings(
        "shot", SHOT / "input.mp4", movie_start=4, movie_stride=5, set_scene=True
    )
    made = import_shot(scene, clip, files, settings)
    use_cycles(scene)
    scene.camera = made.source_camera
    expected = plates()
    for frame in (0, 3, 8):
        scene.frame_set(1 + frame)
        picture = rendered(scene, tmp_path)[4:-4, 4:-4]
        errors = [np.mean((picture - plate[4:-4, 4:-4]) ** 2) for plate in expected]
        assert int(np.argmin(errors)) == 4 + 5 * frame
