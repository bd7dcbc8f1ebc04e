"""What the add-on's tests share. Nothing here imports bpy before a test has asked for it."""

from __future__ import annotations

import importlib.util
import math
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SHOT = ROOT / "examples" / "shot"

# the add-on as it is installed, beside what it brings along of the protocol and the library
_PLACE = {"submodule_search_locations": [str(ROOT)]}
_SPEC = importlib.util.spec_from_file_location("extension", ROOT / "__init__.py", **_PLACE)
sys.modules["extension"] = importlib.util.module_from_spec(_SPEC)

from extension.blender_addon.jobs.reconstruction import Reconstruction  # noqa: E402


def hole_vertices(depth, intrinsics, border_depth):
    """Vertices bool [H, W] of triangles with an angle below 2.5 degrees or at the ring."""
    height, width = depth.shape
    ringed = np.full(depth.shape, border_depth)
    ringed[1:-1, 1:-1] = depth[1:-1, 1:-1]
    x = (np.arange(width) + 0.5 - intrinsics[0, 2]) / intrinsics[0, 0]
    y = (np.arange(height) + 0.5 - intrinsics[1, 2]) / intrinsics[1, 1]
    points = np.stack([ringed * x, ringed * y[:, None], ringed], axis=-1)
    corners = (slice(None, -1), slice(None, -1)), (slice(None, -1), slice(1, None))
    corners += (slice(1, None), slice(None, -1)), (slice(1, None), slice(1, None))
    holes = np.zeros(depth.shape, np.bool_)
    for triangle in ((0, 2, 1), (1, 2, 3)):
        at = [points[corners[k]] for k in triangle]
        cosines = []
        for k in range(3):
            one, other = at[(k + 1) % 3] - at[k], at[(k + 2) % 3] - at[k]
            lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
            cosines.append((one * other).sum(-1) / lengths)
        sliver = np.max(cosines, axis=0) > math.cos(math.radians(2.5))
        sliver[[0, -1], :] = True
        sliver[:, [0, -1]] = True
        for k in triangle:
            holes[corners[k]] |= sliver
    return holes


def encoded(depth, intrinsics, fps=Fraction(24), holes=None) -> Reconstruction:
    """A reconstruction of depth [N, H, W] as the backend sends it."""
    border_depth = 2 * float(depth.max())
    least, most = float(1 / depth.max()), float(1 / depth.min())
    span = max(most - least, 1e-12)
    codes = np.round((1 / depth - least) / span * 65535).astype(np.uint16)
    if holes is None:
        holes = np.stack([hole_vertices(frame, intrinsics, border_depth) for frame in depth])
    return Reconstruction(codes, least, most, intrinsics, border_depth, holes, fps)


@pytest.fixture(scope="session")
def shot_depth():
    """Depth [49, 272, 480] and intrinsics [3, 3] of the sample shot."""
    with np.load(SHOT / "depth.npz") as arrays:
        return arrays["depth"], arrays["intrinsics"]


@pytest.fixture(scope="session")
def shot(shot_depth):
    return encoded(*shot_depth)


@pytest.fixture
def random_reconstruction():
    """Make small clips of rough depth with a lens off its centre."""

    def make(size=(24, 16), n_frames=5, seed=0) -> Reconstruction:
        random = np.random.default_rng(seed)
        depth = random.uniform(2, 9, (n_frames, size[1], size[0]))
        lens = np.array([[30.0, 0, size[0] * 0.45], [0, 30, size[1] * 0.55], [0, 0, 1]])
        return encoded(depth, lens)

    return make


@pytest.fixture
def scene():
    """An empty scene of a fresh file."""
    bpy = pytest.importorskip("bpy")
    bpy.ops.wm.read_homefile(use_empty=True)
    return bpy.context.scene


@pytest.fixture
def root(scene):
    """An empty mesh where a reconstruction's would be."""
    import bpy

    from tests.blender_addon.rigs import add

    return add(scene, "root", bpy.data.meshes.new("root"))


@pytest.fixture
def make_movie(tmp_path, scene):
    """Write small movies with Blender's own encoder: frame k is a grey of 20 + 8 k."""
    import bpy
    from extension.blender_addon.compat import strips_of

    def make(name="clip", *, fps=(24, 1.0), n_frames=10, size=(64, 48)) -> Path:
        maker = bpy.data.scenes.new("maker")
        render = maker.render
        render.resolution_x, render.resolution_y = size
        render.fps, render.fps_base = fps
        maker.frame_start, maker.frame_end = 1, n_frames
        maker.view_settings.view_transform = "Standard"
        if hasattr(render.image_settings, "media_type"):  # 5.0
            render.image_settings.media_type = "VIDEO"
        render.image_settings.file_format = "FFMPEG"
        render.ffmpeg.format, render.ffmpeg.codec = "MPEG4", "H264"
        strips = strips_of(maker)
        for frame in range(n_frames):
            end = {"length": 1} if bpy.app.version >= (5, 0, 0) else {"frame_end": frame + 2}
            strip = strips.new_effect(
                name="grey", type="COLOR", channel=1, frame_start=frame + 1, **end
            )
            strip.color = [(20 + 8 * frame) / 255] * 3
        render.filepath = str(tmp_path / name) + ".mp4"
        render.use_file_extension = False
        with bpy.context.temp_override(scene=maker):
            bpy.ops.render.render(animation=True, scene=maker.name)
        bpy.data.scenes.remove(maker)
        return tmp_path / f"{name}.mp4"

    return make


@pytest.fixture
def small(scene, random_reconstruction, make_movie, tmp_path):
    """Import a 24x16 clip of 10 frames at scene frame 11; returns a function that imports it
    (again)."""
    from extension.blender_addon.jobs.cache_files import write_cache
    from extension.blender_addon.scene.scene_import import ShotSettings, import_shot

    clip = random_reconstruction(n_frames=10)
    movie = make_movie()

    def run(stride=1, into=scene, **changes):
        files = write_cache(clip, tmp_path / "cache", "clip", stride=stride)
        settings = replace(ShotSettings("clip", movie, first_frame=11), **changes)
        return clip, files, import_shot(into, clip, files, settings)

    return run
