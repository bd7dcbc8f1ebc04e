"""Laws of the masks that come from geometry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ex4d.camera.files import read_trajectory
from ex4d.camera.presets import orbit_radius, preset_path
from ex4d.camera.trajectory import Trajectory
from ex4d.cli.demo import shot_folder
from ex4d.conditions.render import condition_picture, render_conditions
from ex4d.conditions.scene import Scene
from ex4d.depth.files import read_depth
from ex4d.raster.cpu import CpuRasterizer
from ex4d.training.paths import draw_path
from ex4d.training.view_masks import rendering_mask, reprojection_mask
from ex4d.video.reader import read_clip
from tests.reference.reprojection import still_seen

from .scenes import moving_clip

KINDS = [rendering_mask, reprojection_mask]
RASTERIZER = CpuRasterizer(2)


def along(scene: Scene, poses: np.ndarray) -> Trajectory:
    n_frames, height, width = scene.depth.shape
    return Trajectory(poses[:n_frames], scene.intrinsics, (width, height))


def drawn(scene: Scene, seed: int) -> Trajectory:
    path = draw_path(seed, len(scene.depth), orbit_radius(scene.depth[0]))
    return along(scene, path.world_to_camera)


@settings(max_examples=25)
@given(
    st.integers(5, 40),
    st.integers(5, 40),
    st.floats(0.3, 4),
    st.floats(1, 1e4),
    st.integers(0, 1000),
)
@pytest.mark.parametrize("mask_of", KINDS)
def test_a_path_that_does_not_move_hides_nothing(mask_of, width, height, focal, ratio, seed):
    """Whatever the depth: every pixel may jump."""
    random = np.random.default_rng(seed)
    depth = random.uniform(1, ratio, (2, height, width)).astype(np.float32)
    lens = np.array(
        [[focal * width, 0, width / 2 - 0.3], [0, focal * width, height / 2], [0, 0, 1]]
    )
    scene = Scene(np.zeros((2, height, width, 3), np.uint8), depth, np.stack([lens, lens]))
    assert mask_of(scene, along(scene, np.stack([np.eye(4)] * 2)), RASTERIZER).all()


@pytest.mark.parametrize("mask_of", KINDS)
@pytest.mark.parametrize("seed", range(8))
def test_frame_0_is_full_and_later_frames_are_not(mask_of, seed):
    """Of seed 1's camera, which goes back, the picture is not full, but it sees all the source."""
    scene = moving_clip().scene
    mask = mask_of(scene, drawn(scene, seed), RASTERIZER)
    assert (mask.shape, mask.dtype) == (scene.depth.shape, np.bool_)
    assert mask[0].all()
    assert 0.02 < mask[-1].mean() < 1


@pytest.mark.parametrize("seed", range(8))
def test_a_rendering_mask_is_what_the_rasterizer_makes_of_the_path(seed):
    scene = moving_clip().scene
    trajectory = drawn(scene, seed)
    mask = rendering_mask(scene, trajectory, RASTERIZER)
    for frame in range(1, len(mask)):
        camera = scene.camera(trajectory, frame, frame)
        rendering = RASTERIZER.render(scene.mesh(frame), camera)
        np.testing.assert_array_equal(mask[frame], condition_picture(rendering)[1])
    np.testing.assert_array_equal(mask, render_conditions(scene, trajectory, RASTERIZER).mask)


@pytest.mark.parametrize("name", ["20", "-75", "zoom_in", "zoom_out"])
def test_reprojection_agrees_with_rays_against_every_triangle(name):
    scene = moving_clip(2, (21, 15)).scene
    trajectory = along(scene, preset_path(name, 2, orbit_radius(scene.depth[0])))
    mask = reprojection_mask(scene, trajectory, RASTERIZER)[1]
    camera = scene.camera(trajectory, 1, 1)
    corners = [(0.02 * x, 0.02 * y) for x in (-1, 1) for y in (-1, 1)]
    twins = [
        still_seen(scene.depth[1], scene.intrinsics[1], scene.mesh(1), camera, offset)
        for offset in corners
    ]
    steady = (np.stack(twins) == twins[0]).all(axis=0)  # no edge within the rasteriser's rounding
    assert steady.mean() > 0.95
    assert 0.1 < twins[0].mean() < 1
    np.testing.assert_array_equal(mask[steady], twins[0][steady])


def test_a_wall_is_seen_where_it_stays_in_the_picture():
    """A plane at depth 4 and a camera one unit to the right: its picture moves by a quarter f."""
    lens = np.array([[80.0, 0, 40], [0, 80, 30], [0, 0, 1]])
    depth = np.full((2, 60, 80), 4, np.float32)
    scene = Scene(np.zeros((2, 60, 80, 3), np.uint8), depth, np.stack([lens, lens]))
    poses = np.stack([np.eye(4)] * 2)
    poses[1, 0, 3] = -1
    mask = reprojection_mask(scene, along(scene, poses), RASTERIZER)[1]
    assert not mask[:, :20].any()
    assert mask[:, 20:].all()


def test_what_the_box_covers_is_hidden_and_the_box_is_not():
    """The camera moves right, so the box at depth 2 moves left over the wall at depth 4."""
    clip = moving_clip(2, (96, 64), wall_step=(0, 0), box_step=(0, 0))
    scene, poses = clip.scene, np.stack([np.eye(4)] * 2)
    poses[1, 0, 3] = -0.3
    mask = reprojection_mask(scene, along(scene, poses), RASTERIZER)[1]
    f = scene.intrinsics[0, 0, 0]
    parallax_px = 0.3 * f / 2 - 0.3 * f / 4
    rows, box_left = slice(22, 42), 32
    assert mask[clip.is_box[1]].mean() > 0.99
    hidden = slice(round(box_left - parallax_px) + 1, box_left)
    assert not mask[rows, hidden].any()
    assert mask[rows, round(0.3 * f / 4) + 1 : hidden.start - 2].all()


def test_reprojection_is_the_truth_of_the_sample_shot():
    """The truth is cast, not rendered: a ray from every pixel centre of the source to the exact
    geometry, and from there to the second camera. The DW-mesh hides more than the truth where a
    camera far to the side looks behind a thing, at what the mesh's occluders close off."""
    shot = shot_folder()
    clip = read_clip(shot / "input.mp4")
    given = read_depth(shot / "depth.npz", clip)
    scene = Scene(clip.frames, given.depth, given.intrinsics)
    mask = reprojection_mask(scene, read_trajectory(shot / "camera.npz", clip), RASTERIZER)
    truth = np.load(shot / "source_seen.npz")["seen"]
    per_frame = (mask & truth).sum(axis=(1, 2)) / (mask | truth).sum(axis=(1, 2))
    iou = (mask & truth).sum() / (mask | truth).sum()
    wrong = (mask & ~truth).mean()
    print(f"\nIoU {iou:.4f}, by frame {per_frame.min():.3f} to {per_frame.max():.3f}; {wrong:.2%} "
          f"of all pixels are called seen and are hidden")  # fmt: skip
    assert iou >= 0.95
    assert per_frame.min() >= 0.85
    assert wrong <= 0.01
