"""The sample shot's conditions and preview against its true second picture."""

from pathlib import Path

import numpy as np
import pytest

from ex4d.camera.files import read_trajectory
from ex4d.cli.demo import shot_folder
from ex4d.conditions.render import render_conditions
from ex4d.conditions.scene import Scene
from ex4d.depth.files import read_depth
from ex4d.engines.preview import PreviewEngine
from ex4d.raster.cpu import CpuRasterizer
from ex4d.video.reader import read_clip
from ex4d.video.writer import read_color

SHOT = shot_folder()


@pytest.fixture(scope="module")
def shot():
    clip = read_clip(SHOT / "input.mp4")
    given = read_depth(SHOT / "depth.npz", clip)
    scene = Scene(clip.frames, given.depth, given.intrinsics)
    trajectory = read_trajectory(SHOT / "camera.npz", clip)
    return scene, render_conditions(scene, trajectory, CpuRasterizer(), with_backdrop=True)


@pytest.fixture(scope="module")
def truth():
    return read_color(SHOT / "truth.mp4")[0], np.load(SHOT / "truth_seen.npz")["seen"]


def psnr_db(picture, truth, where):
    return 10 * np.log10(255**2 / ((picture[where].astype(float) - truth[where]) ** 2).mean())


def test_colour_inside_the_mask_is_the_true_picture(shot, truth):
    _, conditions = shot
    as_a_whole = psnr_db(conditions.color, truth[0], conditions.mask)
    print(f"\n{as_a_whole:.1f} dB inside the mask")
    assert as_a_whole >= 30
    for frame in range(len(truth[0])):
        assert psnr_db(conditions.color[frame], truth[0][frame], conditions.mask[frame]) >= 25


def test_what_is_truly_disoccluded_is_not_called_seen(shot, truth):
    _, conditions = shot
    wrong = conditions.mask & ~truth[1]
    print(f"\nwrongly called seen: {wrong.mean():.2%} of the picture, {wrong.sum()} pixels, "
          f"{wrong.sum() / (~truth[1]).sum():.2%} of the disoccluded, "
          f"{wrong.mean(axis=(1, 2)).max():.2%} in the worst frame")  # fmt: skip
    assert wrong.mean() <= 0.01
    assert wrong.mean(axis=(1, 2)).max() <= 0.02


def test_the_camera_moves_as_far_as_the_truths(shot, truth):
    """The same conditions one frame late fit the truth worse: neither is shifted in time."""
    _, conditions = shot
    true_picture, seen = truth[0][1:], truth[1][1:]
    late = psnr_db(conditions.color[:-1], true_picture, conditions.mask[:-1] & seen)
    on_time = psnr_db(conditions.color[1:], true_picture, conditions.mask[1:] & seen)
    assert late < on_time - 3


def test_the_preview_fills_holes_better_than_grey_and_leaves_nothing_black(shot, truth):
    _, conditions = shot
    frames = PreviewEngine().generate(conditions)
    holes = ~conditions.mask
    grey = np.full_like(frames, truth[0].mean())
    assert psnr_db(frames, truth[0], holes) > psnr_db(grey, truth[0], holes) + 3
    assert (frames.max(axis=-1) > 8).mean() > 0.9999


def test_the_files_stay_small_and_the_depth_has_no_unknown_pixel():
    assert sum(path.stat().st_size for path in Path(SHOT).iterdir()) <= 4_000_000
    depth = np.load(SHOT / "depth.npz")["depth"]
    assert depth.shape == (49, 272, 480)
    assert (depth > 0).all()
