"""The conditions that the public code rendered, and ours under its convention."""

from pathlib import Path

import numpy as np
import pytest

from ex4d.camera.presets import orbit_radius, preset_path
from ex4d.camera.trajectory import Trajectory
from ex4d.conditions.render import render_conditions
from ex4d.conditions.scene import Scene
from ex4d.convention import UPSTREAM
from ex4d.raster.cpu import CpuRasterizer

OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])  # the golden extrinsics' rows are in OpenGL's sense
COMMITTED = Path(__file__).parents[2] / "data" / "golden_conditions.npz"
SHARED = sorted((Path(__file__).parents[4] / "shared" / "golden").glob("conditions_*.npz"))


def compare(golden, camera):
    """Largest path error, mask IoU of each frame, colour PSNR in the common mask."""
    n_all = len(golden[f"extrinsics_{camera}"])
    frames = golden.get("frames", np.arange(n_all))
    scene = Scene(golden["rgb"], golden["depth"], default_intrinsics(golden), convention=UPSTREAM)
    path = preset_path(camera, n_all, orbit_radius(scene.depth[0], UPSTREAM), UPSTREAM)
    path_error = np.abs(OPENGL @ golden[f"extrinsics_{camera}"] - path).max()
    height, width = scene.depth.shape[1:]
    trajectory = Trajectory(path[frames], scene.intrinsics, (width, height))
    ours = render_conditions(scene, trajectory, CpuRasterizer())
    mask = golden[f"mask_{camera}"].reshape(ours.mask.shape).astype(bool)
    both = ours.mask & mask
    iou = both.sum(axis=(1, 2)) / (ours.mask | mask).sum(axis=(1, 2))
    difference = ours.color[both].astype(float) - golden[f"color_{camera}"][both]
    return path_error, iou, 10 * np.log10(255**2 / (difference**2).mean())


def default_intrinsics(golden):
    n_frames, height, width = golden["depth"].shape
    intrinsics = UPSTREAM.default_intrinsics(width, height)
    np.testing.assert_allclose(golden["intrinsics"], intrinsics, atol=1e-3)
    return np.broadcast_to(intrinsics, (n_frames, 3, 3))


@pytest.mark.parametrize("camera", ["30", "60", "90", "180"])
def test_committed_frames_equal_the_public_codes(camera):
    golden = dict(np.load(COMMITTED))
    path_error, iou, psnr_db = compare(golden, camera)
    assert path_error < 1e-4
    assert iou[1:].mean() >= 0.998
    assert iou.min() >= 0.99
    assert psnr_db >= 43


@pytest.mark.parametrize("camera", ["30", "60", "90", "180"])
@pytest.mark.parametrize("path", SHARED or [None], ids=lambda path: path.stem if path else "none")
def test_whole_clips_equal_the_public_codes(path, camera):
    if path is None:
        pytest.skip("there is no folder ../shared/golden beside this clone")
    golden = dict(np.load(path))
    if f"extrinsics_{camera}" not in golden:
        pytest.skip(f"{path.name} has no camera {camera}")
    path_error, iou, psnr_db = compare(golden, camera)
    print(f"{path.stem} {camera}: path {path_error:.1e}, IoU mean {iou[1:].mean():.4f} "
          f"min {iou.min():.4f}, colour {psnr_db:.1f} dB")  # fmt: skip
    assert path_error < 1e-4
    assert iou[1:].mean() >= 0.998
    assert iou.min() >= 0.99
    assert psnr_db >= 43
