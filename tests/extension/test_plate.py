"""Clips that Blender shows otherwise than they are read: the mesh wears the server's frames."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.ex4d.video.mp4_boxes import add_to_entry, set_track_matrix
from tests.extension.pictures import rendered

pytestmark = pytest.mark.blender

N_FRAMES, WIDTH, HEIGHT = 6, 64, 48
LEFT = 16  # of the clean aperture


def write_clip(path: Path, frames: np.ndarray, times=range(N_FRAMES), **tags: int) -> None:
    """Write frames uint8 [T, H, W, 3] without loss, with their times in frames and the tags of a
    stream."""
    av = pytest.importorskip("av", reason="writes the clips")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"qp": "0"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv444p"
        for name, value in tags.items():
            setattr(stream, name, value)
        colors = {"dst_colorspace": "ITU709", "dst_color_range": "MPEG"}
        for picture, time in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture).reformat(format="yuv444p", **colors)
            frame.pts, frame.time_base = time, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def stripes(width: int) -> np.ndarray:
    """Each column has a level of its own; the frame's number is added."""
    frames = np.zeros((N_FRAMES, HEIGHT, width, 3), np.uint8)
    frames[:] = (2 * np.arange(width, dtype=np.uint8))[None, None, :, None]
    return frames + 10 * np.arange(N_FRAMES, dtype=np.uint8)[:, None, None, None]


def with_aperture(path: Path) -> np.ndarray:
    frames = stripes(WIDTH + 2 * LEFT)
    write_clip(path, frames, colorspace=1, color_primaries=1, color_trc=1)
    numbers = (WIDTH, 1, HEIGHT, 1, 0, 1, 0, 1)
    add_to_entry(path, b"avc1", struct.pack(">I4sIIIIiIiI", 40, b"clap", *numbers))
    return frames[:, :, LEFT:-LEFT]


def interlaced(path: Path) -> np.ndarray:
    """Every second line is of the next moment: a bar that moves 6 pixels a frame."""
    frames = np.full((N_FRAMES + 1, HEIGHT, WIDTH, 3), 60, np.uint8)
    for number, frame in enumerate(frames):
        frame[:, 6 * number :][:, :12] = 200
    woven = frames[:-1].copy()
    woven[:, 1::2] = frames[1:, 1::2]
    write_clip(path, woven, colorspace=1, color_primaries=1, color_trc=1)
    return frames[:-1]


def hlg(path: Path) -> np.ndarray:
    """The middle of the range, which is 137 when it is tone mapped."""
    frames = np.full((N_FRAMES, HEIGHT, WIDTH, 3), 128, np.uint8)
    write_clip(path, frames, colorspace=9, color_primaries=9, color_trc=18)
    return np.full_like(frames, 137)


def paused(path: Path) -> np.ndarray:
    """The third frame is shown six times as long as the others."""
    frames = stripes(WIDTH)
    times = [0, 1, 2, 8, 9, 10]
    write_clip(path, frames, times, colorspace=1, color_primaries=1, color_trc=1)
    return frames


def portrait(path: Path) -> np.ndarray:
    """As a phone that was held upright writes it: turned clockwise when it is shown."""
    frames = stripes(WIDTH)
    frames[:, : HEIGHT // 4] //= 2
    write_clip(path, frames, colorspace=1, color_primaries=1, color_trc=1)
    set_track_matrix(path, (0, 1, -1, 0))
    return np.rot90(frames, -1, axes=(1, 2))


def plain(path: Path) -> np.ndarray:
    frames = stripes(WIDTH)
    write_clip(path, frames, colorspace=1, color_primaries=1, color_trc=1)
    return frames


KINDS = {
    "aperture": with_aperture,
    "interlaced": interlaced,
    "hlg": hlg,
    "pause": paused,
    "portrait": portrait,
    "plain": plain,
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_mesh_shows_the_clip_as_it_was_read(addon, server, tmp_path, kind):
    addon.use(server)
    bpy, shot = addon.bpy, addon.shot
    clip = tmp_path / "clip.mov"
    expected = KINDS[kind](clip)
    np.savez(tmp_path / "depth.npz", depth=np.full(expected.shape[:3], 3, np.float32))
    shot.clip, shot.depth.file = str(clip), str(tmp_path / "depth.npz")
    shot.num_frames, shot.deinterlace = N_FRAMES, kind == "interlaced"
    assert bpy.ops.ex4d.reconstruct(wait=True, set_scene=True) == {"FINISHED"}
    scene = bpy.context.scene
    scene.camera = next(item for item in bpy.data.objects if "Source Camera" in item.name)
    for number in (1, N_FRAMES - 2):
        scene.frame_set(scene.frame_start + number)
        picture = rendered(bpy, tmp_path / f"{number}.png")
        error = np.abs(picture - expected[number])[3:-3, 3:-3]
        assert error.mean() < 3, kind
    said = addon.tasks[-1].text
    movies = {Path(bpy.path.abspath(i.filepath)) for i in bpy.data.images if i.source == "MOVIE"}
    assert len(movies) == 1
    assert (clip in movies) == (kind == "plain")
    assert ("wears the frames that the server read" in said) == (kind != "plain")
