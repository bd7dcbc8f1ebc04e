"""The whole shot through the panel's own operators, against a real server process."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.extension.rig import SHOT, strips

pytestmark = pytest.mark.blender

SOME = 8  # frames


@pytest.fixture
def saved(addon, server, tmp_path):
    """The add-on in a saved file, with a server."""
    addon.use(server)
    addon.bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    return addon


@pytest.fixture
def reconstructed(saved):
    """The mesh of the sample shot's first frames."""
    saved.reconstruct(num_frames=SOME)
    return saved


def frames_of(path):
    av = pytest.importorskip("av", reason="decodes films independently of Blender")
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def orbit(addon, preset="60"):
    """A preset and a lens that changes."""
    addon.shot.preset = preset
    assert addon.bpy.ops.ex4d.apply_preset() == {"FINISHED"}
    lens = addon.shot.camera.data
    for frame, length in ((1, 40.0), (SOME, 30.0)):
        lens.lens = length
        lens.keyframe_insert("lens", frame=frame)


def render(addon):
    assert addon.bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    return addon.shot.takes[-1]


def test_reconstruct_brings_the_mesh_and_makes_an_empty_scene_the_clips(saved):
    saved.reconstruct()
    scene, shot = saved.bpy.context.scene, saved.shot
    assert shot.clip_frames == 49
    assert len(shot.mesh.data.vertices) == 480 * 272
    assert shot.camera is not None
    assert scene.camera == shot.camera
    assert (scene.render.fps, scene.frame_start, scene.frame_end) == (24, 1, 49)
    assert (scene.render.resolution_x, scene.render.resolution_y) == (480, 272)


def test_a_scene_that_holds_work_keeps_its_rate_range_and_size(addon, server):
    addon.use(server)
    scene = addon.bpy.context.scene
    item = addon.bpy.data.objects.new("Work", None)
    scene.collection.objects.link(item)
    scene.frame_end, scene.render.fps = 100, 30
    addon.reconstruct(num_frames=2)
    assert (scene.frame_end, scene.render.fps) == (100, 30)
    addon.reconstruct(num_frames=2, set_scene=True)
    assert (scene.frame_end, scene.render.fps) == (2, 24)


def test_the_take_is_a_strip_at_the_shots_start_with_its_settings(reconstructed):
    orbit(reconstructed)
    reconstructed.shot.seed = "4294967295"
    take = render(reconstructed)
    scene = reconstructed.bpy.context.scene
    (strip,) = strips(scene)
    assert int(strip.frame_start) == 1
    assert int(strip.frame_final_duration) == SOME
    assert (take.engine, take.seed) == ("preview", "4294967295")
    mask = frames_of(Path(reconstructed.bpy.path.abspath(take.folder)) / "mask.mp4")
    assert take.coverage == pytest.approx((mask[..., 0] > 127).mean(), abs=1e-4)


def test_conditions_equal_those_of_the_command_line_bit_for_bit(saved, ex4d, tmp_path):
    """49 frames, from Blender's camera at the backend, and by `ex4d recon --camera` here."""
    saved.reconstruct()
    saved.shot.amount = -0.5
    orbit(saved)
    take = render(saved)
    folder = Path(saved.bpy.path.abspath(take.folder))
    command = ["recon", "--input_video", SHOT / "input.mp4", "--depth", SHOT / "depth.npz"]
    command += ["--camera", folder / "camera.npz", "--output_dir", tmp_path / "recon"]
    process = ex4d(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert process.wait(120) == 0
    for name in ("color", "mask"):
        ours, theirs = folder / f"{name}.mp4", tmp_path / "recon" / f"{name}_camera.mp4"
        np.testing.assert_array_equal(frames_of(ours), frames_of(theirs))
    assert len(frames_of(folder / "result.mp4")) == 49


def test_the_sampled_path_is_what_is_sent_and_kept(reconstructed):
    orbit(reconstructed)
    take = render(reconstructed)
    folder = Path(reconstructed.bpy.path.abspath(take.folder))
    with np.load(folder / "camera.npz") as path:
        assert path["extrinsics"].shape == (SOME, 4, 4)
        np.testing.assert_allclose(path["extrinsics"][0], np.eye(4), atol=1e-6)
        focal = path["intrinsics"][:, 0, 0]
        assert focal[0] / focal[-1] == pytest.approx(40 / 30, rel=1e-6)


def test_shot_survives_save_and_load_and_its_folder_may_move(reconstructed, tmp_path):
    bpy = reconstructed.bpy
    orbit(reconstructed)
    render(reconstructed)
    bpy.ops.wm.save_mainfile()
    moved = tmp_path.parent / f"{tmp_path.name}_moved"
    bpy.ops.wm.read_homefile(use_empty=True)
    tmp_path.rename(moved)
    bpy.ops.wm.open_mainfile(filepath=str(moved / "shot.blend"))
    scene, shot = bpy.context.scene, bpy.context.scene.ex4d
    assert [take.name for take in shot.takes] == ["input take 1"]
    strip = strips(scene)[0]
    assert Path(bpy.path.abspath(strip.filepath)).is_file()
    cache = next(m for m in shot.mesh.modifiers if m.type == "MESH_CACHE")
    assert Path(bpy.path.abspath(cache.filepath)).is_file()
    assert bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    assert len(shot.takes) == 2


def test_take_operators(reconstructed):
    bpy, shot = reconstructed.bpy, reconstructed.shot
    orbit(reconstructed)
    shot.seed = "5"
    take = render(reconstructed)
    folder, camera = Path(bpy.path.abspath(take.folder)), shot.camera
    assert bpy.ops.ex4d.take_conditions() == {"FINISHED"}
    assert len(strips(bpy.context.scene)) == 3
    assert bpy.ops.ex4d.take_conditions() == {"FINISHED"}
    assert len(strips(bpy.context.scene)) == 1
    shot.seed, shot.camera, shot.quality = "6", None, "FINAL"
    assert bpy.ops.ex4d.take_reuse() == {"FINISHED"}
    assert (shot.seed, shot.camera, shot.quality) == ("5", camera, "DRAFT")
    (folder / "mine.txt").write_text("the artist's own")
    assert bpy.ops.ex4d.take_remove(delete_files=True) == {"FINISHED"}
    assert len(shot.takes) == 0
    assert strips(bpy.context.scene) == []
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def test_several_takes_may_be_queued(reconstructed):
    orbit(reconstructed)
    for seed in ("1", "2", "3"):
        reconstructed.shot.seed = seed
        assert reconstructed.bpy.ops.ex4d.render() == {"FINISHED"}
    reconstructed.until(lambda: len(reconstructed.shot.takes) == 3, "three takes")
    assert sorted(take.seed for take in reconstructed.shot.takes) == ["1", "2", "3"]
    channels = {strip.channel for strip in strips(reconstructed.bpy.context.scene)}
    assert len(channels) == 3


def test_a_running_take_tells_its_stage_and_can_be_cancelled(saved):
    saved.reconstruct()
    saved.bpy.ops.ex4d.render()
    task = saved.tasks[-1]
    stages = set()
    saved.until(lambda: stages.add(task.stage) or task.stage == "render", "rendering")
    assert task.total == 49
    assert saved.bpy.ops.ex4d.cancel(key=task.request.key) == {"FINISHED"}
    saved.until(lambda: task.over, "the end")
    assert task.state.value == "cancelled"
    assert len(saved.shot.takes) == 0
    assert saved.bpy.ops.ex4d.dismiss(key=task.request.key) == {"FINISHED"}
    assert task not in saved.tasks


def test_two_clips_of_one_name_get_a_mesh_each(addon, server, tmp_path):
    addon.use(server)
    addon.reconstruct(num_frames=2)
    first = addon.shot.mesh
    other = tmp_path / "input.mp4"
    other.write_bytes((SHOT / "input.mp4").read_bytes())
    addon.shot.clip = str(other)
    addon.shot.num_frames = 3
    assert addon.bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}
    assert addon.shot.mesh != first
    assert json.loads(first["ex4d_source"])["num_frames"] == 2
