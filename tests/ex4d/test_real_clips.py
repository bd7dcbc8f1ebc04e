"""Real clips that are not part of the repository; the tests need ../shared/clips beside it."""

from pathlib import Path

import numpy as np
import pytest

from ex4d.camera.files import read_trajectory
from ex4d.camera.trajectory import Trajectory
from ex4d.cli.main import main
from ex4d.conditions.render import render_conditions
from ex4d.conditions.scene import Scene
from ex4d.depth.files import read_depth
from ex4d.raster.cpu import CpuRasterizer
from ex4d.video.reader import FrameRange, read_clip
from ex4d.video.writer import read_color, read_mask

CLIPS = Path(__file__).parents[3] / "shared" / "clips"
pytestmark = pytest.mark.skipif(
    not CLIPS.is_dir(), reason="there is no folder ../shared/clips beside this clone"
)


@pytest.fixture(scope="module")
def kitchen():
    """A hand-held clip with measured depth: the source camera moves."""
    clip = read_clip(CLIPS / "kitchen" / "input.mp4")
    given = read_depth(CLIPS / "kitchen" / "depth.npz", clip)
    source = read_trajectory(CLIPS / "kitchen" / "source_camera.npz", clip)
    return Scene(clip.frames, given.depth, given.intrinsics), source


def test_a_held_camera_steadies_the_kitchen(kitchen):
    """What the held camera shows of a later frame is what frame 0 showed there."""
    scene, source = kitchen
    held = Trajectory(
        np.repeat(source.world_to_camera[:1], 49, axis=0),
        source.intrinsics,
        source.size,
        source_extrinsics=source.world_to_camera,
    )
    conditions = render_conditions(scene, held, CpuRasterizer())
    both = conditions.mask[40]
    steady = np.abs(conditions.color[40][both].astype(float) - scene.frames[0][both]).mean()
    shaky = np.abs(scene.frames[40][both].astype(float) - scene.frames[0][both]).mean()
    print(f"\nmean difference to frame 0: {steady:.1f} held, {shaky:.1f} as filmed, of 255")
    assert both.mean() > 0.7
    assert steady < 0.5 * shaky


def test_the_kitchen_goes_all_the_way_on_the_command_line(tmp_path):
    clip, depth = CLIPS / "kitchen" / "input.mp4", CLIPS / "kitchen" / "depth.npz"
    recon = ["recon", "--input_video", str(clip), "--depth", str(depth), "--cam", "30"]
    assert main([*recon, "--output_dir", str(tmp_path), "--num_frames", "9"]) == 0
    result = tmp_path / "result.mp4"
    videos = ["--color_video", str(tmp_path / "color_30.mp4")]
    videos += ["--mask_video", str(tmp_path / "mask_30.mp4"), "--output_video", str(result)]
    assert main(["generate", *videos]) == 0
    frames, fps = read_color(result)
    assert frames.shape == (9, 480, 640, 3)
    assert fps == 30
    assert (frames.max(axis=-1) > 0).mean() > 0.999


def test_the_public_codes_own_example_can_be_read():
    folder = CLIPS / "flower"
    clip = read_clip(folder / "input.mp4", FrameRange())
    color, _ = read_color(folder / "render_180.mp4")
    mask, _ = read_mask(folder / "mask_180.mp4")
    path = read_trajectory(folder / "camera_180.npz", clip)
    assert clip.frames.shape == color.shape == (49, 512, 512, 3)
    np.testing.assert_allclose(path.world_to_camera[0], np.eye(4), atol=1e-6)
    seen = [1, 0.29, 0.18, 0.22, 0.52, 0.32, 0.21, 0.36, 0.95]
    np.testing.assert_allclose(mask.mean(axis=(1, 2))[::6], seen, atol=0.01)
    assert (color[~mask].max(axis=-1) < 40).mean() > 0.98
