"""The artist's part of the demo, through the panel's own operators; run by Blender's Python.

Leaves shot.blend, the pictures of the mesh and the times in the output folder.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import bpy

EXTENSION = "bl_ext.user_default.ex4d"
SHOT = Path(__file__).parents[1] / "shot"
MOMENTS = 6
CLIP = "courtyard"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("zip", "output_dir", "keys", "python"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("endpoint", "server_key"):
        parser.add_argument(f"--{name}", required=True)
    return parser.parse_args()


class Clock:
    """Seconds of each step, in order."""

    def __init__(self) -> None:
        self.times: dict[str, float] = {}

    @contextmanager
    def step(self, name: str):
        print(f"{name} ...", flush=True)
        began_s = time.monotonic()
        yield
        self.times[name] = time.monotonic() - began_s


def install(given: argparse.Namespace) -> None:
    """The zip, as a user drops it onto Blender, and the keys that an administrator exchanges."""
    bpy.ops.extensions.package_install_files(
        repo="user_default", filepath=str(given.zip), enable_on_install=True, overwrite=True
    )
    preferences = bpy.context.preferences.addons[EXTENSION].preferences
    preferences.endpoint, preferences.server_key = given.endpoint, given.server_key
    folder = Path(bpy.utils.extension_path_user(EXTENSION, path="keys", create=True))
    bpy.ops.ex4d.copy_public_key()
    key = (folder / "client.key").read_text().strip()
    command = [given.python, "-m", "ex4d", "keys", "authorise", "--keys", given.keys]
    subprocess.run([*command, "--name", "demo", "--public_key", key], check=True)


def reconstruct(scene: bpy.types.Scene, folder: Path) -> None:
    shot = scene.ex4d
    shot.clip = bpy.path.relpath(str(folder / f"{CLIP}.mp4"))
    shot.depth.file = bpy.path.relpath(str(folder / "depth.npz"))
    bpy.ops.ex4d.reconstruct(wait=True)


def animate(scene: bpy.types.Scene) -> None:
    """An orbit to 60 degrees while the lens goes wider."""
    scene.ex4d.preset = "60"
    bpy.ops.ex4d.apply_preset()
    lens = scene.ex4d.camera.data
    widest = 0.8 * lens.lens
    for frame, length in ((scene.frame_start, lens.lens), (scene.frame_end, widest)):
        lens.lens = length
        lens.keyframe_insert("lens", frame=frame)


def draw_mesh(scene: bpy.types.Scene, folder: Path) -> None:
    """The mesh as its viewport shows it, from the side, at a few moments."""
    mesh = scene.ex4d.mesh
    onlooker = bpy.data.objects.new("Onlooker", bpy.data.cameras.new("Onlooker"))
    scene.collection.objects.link(onlooker)
    onlooker.parent, onlooker.data.lens = mesh, 30
    radius = mesh["ex4d_radius"]
    onlooker.location = (-1.1 * radius, -0.15 * radius, 0.45 * radius)
    onlooker.rotation_euler = (math.radians(78), 0, math.radians(-38))
    render, before = scene.render, scene.render.engine
    render.engine, render.use_sequencer = "BLENDER_WORKBENCH", False
    shading = scene.display.shading
    shading.light, shading.color_type = "FLAT", "TEXTURE"
    scene.camera = onlooker
    render.image_settings.file_format = "PNG"
    for number in range(MOMENTS):
        share = number / (MOMENTS - 1)
        scene.frame_set(round(scene.frame_start + share * (scene.frame_end - scene.frame_start)))
        render.filepath = str(folder / f"mesh_{number}.png")
        bpy.ops.render.render(write_still=True)
    bpy.data.objects.remove(onlooker)
    scene.camera, render.engine, render.filepath = scene.ex4d.camera, before, "//"
    render.use_sequencer = True
    scene.frame_set(scene.frame_start)


def main() -> None:
    given, clock = arguments(), Clock()
    folder = given.output_dir
    bpy.ops.wm.read_homefile(use_empty=True)
    scene = bpy.context.scene
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shot.blend"))
    with clock.step("install the extension"):
        install(given)
    with clock.step("reconstruct"):
        reconstruct(scene, folder)
    with clock.step("camera path"):
        animate(scene)
    with clock.step("render the take"):
        bpy.ops.ex4d.render(wait=True)
    with clock.step("draw the mesh"):
        draw_mesh(scene, folder)
    with clock.step("save"):
        bpy.ops.wm.save_mainfile()
    take = scene.ex4d.takes[0]
    found = {"times": clock.times, "coverage": take.coverage, "engine": take.engine}
    found["take"] = bpy.path.abspath(take.folder)
    (folder / "blender.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
