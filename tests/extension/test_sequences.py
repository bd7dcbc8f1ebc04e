"""Picture sequences through the panel: sent as they are, shown on the mesh, with their numbers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.extension.conftest import ROOT
from tests.extension.pictures import pixels, rendered
from tests.extension.rig import SHOT, strips

pytestmark = pytest.mark.blender

SOME = 6  # frames
KINDS = ("png", "tiff 16", "exr half")
OTHERS = ("dpx", "tiff float")  # that Blender by itself takes otherwise
SUFFIXES = {
    "png": ".png",
    "tiff 16": ".tiff",
    "exr half": ".exr",
    "dpx": ".dpx",
    "tiff float": ".tif",
}
# The server's own Python has what writes them.
WRITE = """
import sys
from pathlib import Path
from ex4d.video.writer import read_color
from tests.ex4d.video.pictures import write_movie, write_sequence
folder, shot = Path(sys.argv[1]), Path(sys.argv[2])
frames = read_color(shot / "input.mp4")[0][:int(sys.argv[3])]
for kind in ("png", "tiff 16", "exr half", "dpx", "tiff float"):
    write_sequence(folder / kind, frames, kind)
write_movie(folder / "movie.mov", frames)
"""


@pytest.fixture(scope="module")
def plates(tmp_path_factory):
    """The sample shot's first frames as sequences from 1001, and as a lossless movie."""
    folder = tmp_path_factory.mktemp("plates")
    python = os.environ.get("EX4D_PYTHON") or ROOT / ".venv/bin/python"
    command = [os.path.abspath(python), "-c", WRITE, folder, SHOT, str(SOME)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    with np.load(SHOT / "depth.npz") as arrays:
        given = {**arrays, "depth": arrays["depth"][:SOME]}
    np.savez(folder / "depth.npz", **given)
    return folder


def choose(addon, plates, kind, number=1003):
    take_up(addon, plates, plates / kind / f"plate.{number}{SUFFIXES[kind]}")


def take_up(addon, plates, clip):
    """A clip with the depth of the plates; every 2nd pixel is a vertex."""
    addon.shot.clip, addon.shot.depth.file = str(clip), str(plates / "depth.npz")
    addon.shot.grid_stride = "2"


def positions(addon) -> bytes:
    """What the mesh plays from."""
    cache = next(m for m in addon.shot.mesh.modifiers if m.type == "MESH_CACHE")
    return Path(addon.bpy.path.abspath(cache.filepath)).read_bytes()


def picture_of(addon, tmp_path, frame):
    """What the scene's camera sees in a frame: [H, W, 3], sRGB 0..255."""
    addon.bpy.context.scene.frame_set(frame)
    return rendered(addon.bpy, tmp_path / f"view{frame}.png")


@pytest.mark.parametrize("kind", KINDS)
def test_the_panel_measures_a_sequence(addon, plates, kind):
    choose(addon, plates, kind)
    shot = addon.shot
    assert (shot.is_sequence, shot.clip_frames, shot.clip_first) == (True, SOME, 1001)
    assert (shot.start_frame, shot.num_frames) == (1001, SOME)
    assert addon.part("ui.readiness").why_no_clip(shot) == ""
    shot.start_frame = 1002
    why = addon.part("ui.readiness").why_no_clip(shot)
    assert "The clip ends at frame 1006; these frames end at 1007" in why
    shot.start_frame = 1000
    assert "The clip begins at frame 1001" in addon.part("ui.readiness").why_no_clip(shot)
    shot.clip = str(SHOT / "input.mp4")
    assert (shot.is_sequence, shot.start_frame, shot.clip_first) == (False, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*KINDS, *OTHERS])
def test_the_mesh_is_a_lossless_movies_and_wears_the_sequence(
    addon, server, plates, tmp_path, kind
):
    addon.use(server)
    take_up(addon, plates, plates / "movie.mov")
    assert addon.bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}
    expected = positions(addon)
    addon.bpy.ops.wm.read_homefile(use_empty=True)
    choose(addon, plates, kind)
    assert addon.bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}
    assert positions(addon) == expected
    scene, mesh = addon.bpy.context.scene, addon.shot.mesh
    assert (scene.frame_start, scene.frame_end, scene.render.fps) == (1001, 1006, 24)
    assert (mesh["ex4d_name"], mesh["ex4d_first_frame"]) == ("plate", 1001)
    scene.camera = next(o for o in addon.bpy.data.objects if "Source" in o.name)
    suffix = SUFFIXES["png"]
    plain = [pixels(addon.bpy, plates / "png" / f"plate.{n}{suffix}") for n in range(1001, 1007)]
    for number in (1001, 1004, 1006):
        seen = picture_of(addon, tmp_path, number)[2:-2, 2:-2]
        errors = [float(np.mean((seen - plate[2:-2, 2:-2]) ** 2)) for plate in plain]
        assert seen.std() > 20  # it is a picture
        psnr = 10 * np.log10(255**2 / max(errors[number - 1001], 1e-9))
        print(f"{kind} frame {number}: {psnr:.1f} dB")
        assert psnr >= 30
        assert min(errors) == errors[number - 1001]


@pytest.mark.parametrize("kind", KINDS)
def test_a_take_lies_where_its_frames_are(addon, server, plates, kind):
    addon.use(server)
    choose(addon, plates, kind)
    addon.shot.start_frame, addon.shot.num_frames, addon.shot.fps = 1002, 4, 23.976
    assert addon.bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}
    scene = addon.bpy.context.scene
    assert (scene.frame_start, scene.frame_end) == (1002, 1005)
    assert scene.render.fps / scene.render.fps_base == pytest.approx(24000 / 1001, abs=1e-5)
    assert addon.bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    [strip] = [s for s in strips(scene) if s.type == "MOVIE"]
    assert int(strip.frame_start if hasattr(strip, "frame_start") else strip.left_handle) == 1002
    take = addon.shot.takes[-1]
    folder = Path(addon.bpy.path.abspath(take.folder))
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["first_frame"], summary["n_frames"]) == (1002, 4)
    assert "does not say its rate" not in take.note
    assert ("scene-linear values" in take.note) == (kind == "exr half")
    addon.shot.clip = ""
    assert addon.bpy.ops.ex4d.take_reuse() == {"FINISHED"}
    assert addon.shot.clip.endswith(f"plate.1003{SUFFIXES[kind]}")
    assert (addon.shot.start_frame, addon.shot.num_frames) == (1002, 4)


def test_conditions_are_those_of_the_command(addon, server, plates, ex4d, tmp_path):
    addon.use(server)
    choose(addon, plates, "png")
    assert addon.bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}
    addon.shot.preset = "30"
    assert addon.bpy.ops.ex4d.apply_preset() == {"FINISHED"}
    curves = addon.shot.camera.animation_data.action
    assert tuple(curves.frame_range) == (1001, 1006)
    assert addon.bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    folder = Path(addon.bpy.path.abspath(addon.shot.takes[-1].folder))
    command = ["recon", "--input_video", plates / "movie.mov", "--depth", plates / "depth.npz"]
    command += ["--camera", folder / "camera.npz", "--output_dir", tmp_path / "out"]
    assert ex4d(*command, stdout=subprocess.DEVNULL).wait(120) == 0
    av = pytest.importorskip("av")
    for name in ("color", "mask"):
        pair = (folder / f"{name}.mp4", tmp_path / "out" / f"{name}_camera.mp4")
        ours, theirs = (
            np.stack([f.to_ndarray(format="rgb24") for f in av.open(str(p)).decode(video=0)])
            for p in pair
        )
        assert ours.shape == theirs.shape
        assert np.abs(ours.astype(int) - theirs).mean() < 2  # x264's rare other bytes


def test_a_gap_is_named_and_other_places_of_the_number_are_played(addon, server, plates, tmp_path):
    addon.use(server)
    folder = tmp_path / "versions"
    folder.mkdir()
    for number in range(1001, 1007):
        shutil.copy(plates / "png" / f"plate.{number}.png", folder / f"shot_{number}_v02.png")
    take_up(addon, plates, folder / "shot_1001_v02.png")
    assert addon.bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}
    scene, mesh = addon.bpy.context.scene, addon.shot.mesh
    assert (scene.frame_start, mesh["ex4d_name"]) == (1001, "shot")
    scene.camera = next(o for o in addon.bpy.data.objects if "Source" in o.name)
    seen = picture_of(addon, tmp_path, 1005)[2:-2, 2:-2]
    plain = [pixels(addon.bpy, plates / "png" / f"plate.{n}.png") for n in range(1001, 1007)]
    errors = [float(np.mean((seen - plate[2:-2, 2:-2]) ** 2)) for plate in plain]
    assert min(errors) == errors[4]
    (folder / "shot_1004_v02.png").unlink()
    addon.shot.clip = str(folder / "shot_1002_v02.png")
    words = addon.part("ui.readiness").why_no_clip(addon.shot)
    assert "frame 1004 is missing before" in words
    assert not addon.bpy.ops.ex4d.reconstruct.poll()


def test_a_step_leaves_pictures_out_and_keeps_the_speed_of_time(addon, server, plates, tmp_path):
    addon.use(server)
    choose(addon, plates, "tiff 16")
    addon.shot.stride, addon.shot.num_frames = 2, 3
    assert addon.bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}
    scene = addon.bpy.context.scene
    assert (scene.frame_start, scene.frame_end, scene.render.fps) == (1001, 1003, 12)
    scene.camera = next(o for o in addon.bpy.data.objects if "Source" in o.name)
    plain = [pixels(addon.bpy, plates / "png" / f"plate.{n}.png") for n in range(1001, 1007)]
    for frame, place in ((1001, 0), (1003, 4)):  # 1001 and 1005
        seen = picture_of(addon, tmp_path, frame)[2:-2, 2:-2]
        errors = [float(np.mean((seen - plate[2:-2, 2:-2]) ** 2)) for plate in plain]
        assert min(errors) == errors[place]
