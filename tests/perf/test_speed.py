"""Benchmarks of the way of one shot at 512x512, 49 frames; run with `make perf` on a quiet machine.

Every figure is printed; the limits are those that the README promises for two cores.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ex4d.camera.presets import orbit_radius, preset_path
from ex4d.camera.trajectory import Trajectory
from ex4d.conditions.render import render_conditions, run_frames
from ex4d.conditions.scene import Scene
from ex4d.convention import EXACT
from ex4d.engines.preview import PreviewEngine
from ex4d.raster.cpu import CpuRasterizer
from ex4d.video.writer import write_color

pytestmark = pytest.mark.perf

SIZE, N_FRAMES = 512, 49


@pytest.fixture(scope="module")
def scene():
    """A ball rolls before waves: smooth surfaces, depth jumps, an orbit that opens holes."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    frames = np.empty((N_FRAMES, SIZE, SIZE, 3), np.uint8)
    depth = np.empty((N_FRAMES, SIZE, SIZE), np.float32)
    for t in range(N_FRAMES):
        depth[t] = 6 + np.sin(x / 37) + np.cos(y / 23)
        frames[t] = np.stack([128 + 80 * np.sin(x / k + y / 11) for k in (5, 7, 9)], axis=-1)
        ball = (x - 100 - 6 * t) ** 2 + (y - 256) ** 2 < 90**2
        depth[t][ball], frames[t][ball] = 3.0, (220, 120, 40)
    intrinsics = np.broadcast_to(EXACT.default_intrinsics(SIZE, SIZE), (N_FRAMES, 3, 3))
    return Scene(frames, depth, intrinsics)


@pytest.fixture(scope="module")
def trajectory(scene):
    path = preset_path("30", N_FRAMES, orbit_radius(scene.depth[0]))
    return Trajectory(path, scene.intrinsics, (SIZE, SIZE))


def milliseconds_a_frame(work, repeats=5):
    """Median over some runs, after one that compiles."""
    work()
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return 1e3 * float(np.median(seconds)) / N_FRAMES


def test_mesh_and_raster_take_20_ms_a_frame(scene, trajectory):
    rasterizer = CpuRasterizer()

    def draw(frame):
        rasterizer.render(scene.mesh(frame), scene.camera(trajectory, frame, frame))

    one = milliseconds_a_frame(lambda: run_frames(draw, N_FRAMES, 1))
    all_cores = milliseconds_a_frame(lambda: run_frames(draw, N_FRAMES, rasterizer.workers))
    print(
        f"\nmesh + raster: {all_cores:.1f} ms a frame on {rasterizer.workers} cores, {one:.1f} on 1"
    )
    assert all_cores <= 20


def test_preview_fill_takes_100_ms_a_frame(scene, trajectory):
    rasterizer = CpuRasterizer()
    conditions = render_conditions(scene, trajectory, rasterizer, with_backdrop=True)
    plain = milliseconds_a_frame(lambda: render_conditions(scene, trajectory, rasterizer), 3)
    filled = milliseconds_a_frame(
        lambda: render_conditions(scene, trajectory, rasterizer, with_backdrop=True), 3
    )
    fill = milliseconds_a_frame(lambda: PreviewEngine().generate(conditions), 3)
    backdrop = filled - plain
    print(f"\npreview: backdrop {backdrop:.1f} ms + fill {fill:.1f} ms a frame")
    assert backdrop + fill <= 100


def test_peak_memory_for_49_frames_is_below_1500_mb(scene, tmp_path):
    write_color(tmp_path / "clip.mp4", scene.frames, Fraction(24))
    np.savez(tmp_path / "depth.npz", depth=scene.depth, intrinsics=scene.intrinsics)
    recon = ["recon", "--input_video", "clip.mp4", "--depth", "depth.npz", "--output_dir", "out"]
    generate = ["generate", "--color_video", "out/color_30.mp4", "--mask_video", "out/mask_30.mp4"]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    for command in (recon, [*generate, "--output_video", "out/result.mp4"]):
        main = "import sys; from ex4d.cli.main import main; sys.exit(main())"
        subprocess.run([sys.executable, "-c", main, *command], cwd=tmp_path, check=True, env=env)
        peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{command[0]}: peak memory {peak_mb:.0f} MB (largest so far)")
        assert peak_mb <= 1500
