"""Points, holes and picture of the mesh, the take and its strip are of one frame, for any clip, at
any rate and start of the scene."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.extension.numbered import (
    SIZE,
    N,
    grey_number,
    number_of_holes,
    number_of_picture,
    number_of_points,
    numbers_of_movie,
    turn_clip,
    write_clip,
    write_depth,
)
from tests.extension.pictures import sequencer_picture
from tests.extension.rig import strips

pytestmark = pytest.mark.blender

RATES = (Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(60), Fraction(15))
SCENE_RATES = ((24, 1), (25, 1), (30, 1.001), (30, 1), (60, 1))
STARTS = (0, 1, 1001, -20)
CONTAINERS = ("mp4", "mov", "mkv", "webm", "avi", "ts")
TURNED = ("mp4", "mov")
CLOCKS = {  # of frame k of a clip with this many ticks a frame
    "steady": lambda step, k: step * k,
    "jitter": lambda step, k: step * k + (0, 60, -60)[k % 3],  # 0.7 ms
    "dropped": lambda step, k: step * (k + (k > 5)),
    "gaps": lambda step, k: step * (k + k // 4),
    "late": lambda step, k: step * (k + 7) + 1,
    "doubled": lambda step, k: step * (k + sum(j % 3 == 1 for j in range(k))),
}


def situations():
    """Thirty clips: each container with each rate, five of the six clocks, and half of those that
    can be turned; each with a scene of its own, and all rates and starts of scenes."""
    for number in range(len(CONTAINERS) * len(RATES)):
        row, column = divmod(number, len(RATES))
        container, clock = CONTAINERS[row], list(CLOCKS)[(column + row) % len(CLOCKS)]
        turned = container in TURNED and number % 2 == 1
        start = STARTS[(row + 2 * column) % len(STARTS)]
        scene = SCENE_RATES[(column + row) % len(SCENE_RATES)], start
        name = f"{container}-{float(RATES[column]):.4g}-{clock}{'-turned' * turned}"
        yield pytest.param(container, RATES[column], clock, turned, scene, id=name)


def test_all_rates_and_starts_of_scenes_are_among_them():
    scenes = {parameters.values[4] for parameters in situations()}
    assert len(scenes) == len(SCENE_RATES) * len(STARTS)


@pytest.mark.parametrize(("container", "rate", "clock", "turned", "of_scene"), list(situations()))
def test_all_that_shows_a_frame_shows_the_same(
    saved, tmp_path, container, rate, clock, turned, of_scene
):
    bpy, shot, scene = saved.bpy, saved.shot, saved.bpy.context.scene
    (fps, base), first = of_scene
    clip, step = tmp_path / f"clip.{container}", round(90_000 / rate)
    write_clip(clip, [CLOCKS[clock](step, k) for k in range(N)], rate=rate)
    if turned:
        turn_clip(clip)
    size = SIZE[::-1] if turned else SIZE
    depth = write_depth(tmp_path / "depth.npz", size=size)
    shot.starts_at = first
    shot.clip, shot.depth.file, shot.num_frames, shot.grid_stride = str(clip), str(depth), N, "1"
    if container != "ts":  # which tells its length alone
        assert shot.clip_frames == N
    assert bpy.ops.ex4d.reconstruct(wait=True, set_scene=True) == {"FINISHED"}
    scene.render.fps, scene.render.fps_base = fps, base
    assert shot.mesh["ex4d_first_frame"] == first
    shot.camera = scene.camera = next(i for i in scene.objects if i.name.endswith("Source Camera"))
    assert bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    (strip,) = strips(scene)
    assert numbers_of_movie(Path(bpy.path.abspath(strip.filepath))) == list(range(N))
    view = tmp_path / "view.png"
    for k in range(N):
        scene.frame_set(first + k)
        seen = [number(bpy, shot.mesh) for number in (number_of_points, number_of_holes)]
        seen += [number_of_picture(bpy, view), grey_number(sequencer_picture(bpy, view))]
        assert seen == [k] * 4, f"at scene frame {first + k}"
    assert np.isclose(scene.render.fps / scene.render.fps_base, fps / base)
