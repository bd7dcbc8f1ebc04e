"""The picture on the mesh is that of its own frame, whatever the clip's clock says."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from tests.extension.pictures import workbench_picture

pytestmark = pytest.mark.blender

N = 12  # frames
UNIT = Fraction(1, 90_000)
STEP = 3003  # of 29.97 frames a second
CLOCKS = {
    "steady": [STEP * k for k in range(N)],
    "jitter of 0.7 ms": [STEP * k + (0, 60, -60)[k % 3] for k in range(N)],
    "a dropped frame": [STEP * (k + (k > 5)) for k in range(N)],
    "a late start": [STEP * (k + 7) + 1 for k in range(N)],
}


def write_clip(path, times):
    """Frame k is a grey of 20 + 15 k."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"qp": "0", "g": "4"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = UNIT
        for k, time in enumerate(times):
            picture = np.full((48, 64, 3), 20 + 15 * k, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, UNIT
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize("clock", CLOCKS)
def test_1_the_mesh_wears_the_picture_of_its_frame(addon, server, tmp_path, clock, container):
    addon.use(server)
    addon.bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    shot, scene = addon.shot, addon.bpy.context.scene
    shot.clip = str(write_clip(tmp_path / f"clip.{container}", CLOCKS[clock]))
    lens = np.array([[77.0, 0, 32], [0, 77, 24], [0, 0, 1]])
    np.savez(tmp_path / "depth.npz", depth=np.full((N, 48, 64), 4.0), intrinsics=lens)
    shot.depth.file, shot.num_frames = str(tmp_path / "depth.npz"), N
    assert addon.bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}
    seen = []
    for frame in range(scene.frame_start, scene.frame_start + N):
        scene.frame_set(frame)
        grey = np.median(workbench_picture(addon.bpy, tmp_path / "view.png"))
        seen.append(round((grey - 20) / 15))
    assert seen == list(range(N))
