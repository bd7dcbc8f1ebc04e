"""Render the sample shot: a source clip, its true depth, a second camera and its true picture.

    python make_shot.py [--samples 40] [--out DIR] [--frames 0 24 48]

Needs pip's bpy 5.0, numpy and av. The files' world is the source camera: x right, y down,
z forward, metres; pixel centres lie at +0.5. Pictures come from Cycles; depth and what is
seen come from casting a ray through every pixel centre at the same geometry.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import av
import bpy
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from casting import Caster
from mathutils import Matrix
from scene import CAMERA_PITCH_DEG, FOCAL_PX, N_FRAMES, SIZE, Courtyard

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).resolve().parent
FPS = 24
CRF = 16
ORBIT_DEG = 36.0
PIVOT_M = 5.0  # of the orbit, along the source's optical axis
DOLLY_M = 0.3  # nearer to the pivot at the end
RISE_M = 0.45
LOOK_X_M = 0.55  # the look-at point follows the subject: at the end so far beside the pivot
AXES = np.diag([1.0, -1.0, -1.0, 1.0])  # Blender's camera axes to OpenCV's, its own inverse


def second_extrinsics() -> np.ndarray:  # [T, 4, 4]
    """Give world_to_camera of the second path: the identity first, then an orbit with ease."""
    pitch = math.radians(CAMERA_PITCH_DEG)
    up = np.array([0.0, -math.cos(pitch), -math.sin(pitch)])
    level = np.array([0.0, -math.sin(pitch), math.cos(pitch)])  # forward along the floor
    right = np.array([1.0, 0.0, 0.0])
    pivot = np.array([0.0, 0.0, PIVOT_M])
    path = [np.eye(4)]
    for frame in range(1, N_FRAMES):
        part = frame / (N_FRAMES - 1)
        ease = part * part * (3 - 2 * part)
        angle = math.radians(ORBIT_DEG) * ease
        arm = -pivot * (1 - DOLLY_M / PIVOT_M * ease)
        along, over = arm @ level, arm @ up + RISE_M * ease
        spot = pivot + along * (math.cos(angle) * level - math.sin(angle) * right) + over * up
        path.append(_look_at(spot, pivot + LOOK_X_M * ease * right, up))
    return np.stack(path)


def _look_at(spot: np.ndarray, target: np.ndarray, up: np.ndarray) -> np.ndarray:
    forward = (target - spot) / np.linalg.norm(target - spot)
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    extrinsics = np.eye(4)
    extrinsics[:3, :3] = rotation
    extrinsics[:3, 3] = -rotation @ spot
    return extrinsics


def intrinsics() -> np.ndarray:  # [3, 3]
    """Give the intrinsics of both cameras, in pixels of SIZE."""
    return np.array([[FOCAL_PX, 0, SIZE[0] / 2], [0, FOCAL_PX, SIZE[1] / 2], [0, 0, 1.0]])


def set_up_cycles(scene: bpy.types.Scene, samples: int) -> None:
    """Choose quiet, repeatable pictures: what does not move looks the same in every frame."""
    render = scene.render
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y = SIZE
    render.resolution_percentage = 100
    render.use_persistent_data = True
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode = "RGB"
    render.dither_intensity = 0
    scene.view_settings.view_transform = "Standard"
    cycles = scene.cycles
    cycles.device = "CPU"
    cycles.samples = samples
    cycles.use_adaptive_sampling = False
    cycles.seed, cycles.use_animated_seed = 0, False
    cycles.max_bounces = cycles.diffuse_bounces = 2
    cycles.use_light_tree = False  # one sun and the sky: a tree only costs time
    cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
    cycles.denoising_input_passes = "RGB_ALBEDO_NORMAL"


def render_picture(scene: bpy.types.Scene, camera: bpy.types.Object, path: Path) -> np.ndarray:
    """Render one picture to a PNG and read it back. [H, W, 3] uint8 sRGB"""
    scene.camera = camera
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    with av.open(str(path)) as png:
        return next(png.decode(video=0)).to_ndarray(format="rgb24")


def write_video(path: Path, pictures: Sequence[np.ndarray]) -> None:
    """Encode [T] pictures [H, W, 3] uint8 as H.264, BT.709 limited range, tagged as such."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(CRF), "preset": "veryslow"}
        context = stream.codec_context
        context.color_range = ColorRange.MPEG
        context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_arrays(
    out: Path,
    extrinsics: np.ndarray,
    depth: np.ndarray,
    seen: np.ndarray,
    source_seen: np.ndarray,
) -> None:
    """Write the four .npz files. Time runs fastest in memory: what stands still costs nothing."""
    np.savez_compressed(out / "depth.npz", depth=np.asfortranarray(depth), intrinsics=intrinsics())
    np.savez_compressed(out / "truth_seen.npz", seen=seen)
    np.savez_compressed(out / "source_seen.npz", seen=source_seen)
    np.savez_compressed(
        out / "camera.npz", extrinsics=extrinsics, intrinsics=intrinsics(), size=np.array(SIZE)
    )


def make_shot(out: Path, *, samples: int, frames: Sequence[int]) -> None:
    """Render the frames with both cameras, measure them, and write all files into `out`."""
    courtyard = Courtyard()
    scene = courtyard.scene
    set_up_cycles(scene, samples)
    source_to_world = np.array(courtyard.source.matrix_world, dtype=float) @ AXES
    extrinsics = second_extrinsics()
    shot, truth, depth, seen, source_seen = [], [], [], [], []
    with tempfile.TemporaryDirectory() as pngs:
        for frame in frames:
            courtyard.place(frame)
            second_to_world = source_to_world @ np.linalg.inv(extrinsics[frame])
            courtyard.second.matrix_world = Matrix((second_to_world @ AXES).tolist())
            bpy.context.view_layer.update()
            shot.append(render_picture(scene, courtyard.source, Path(pngs, "source.png")))
            truth.append(render_picture(scene, courtyard.second, Path(pngs, "second.png")))
            caster = Caster(SIZE, intrinsics())
            depth.append(caster.depth(source_to_world))
            seen.append(caster.seen(second_to_world, source_to_world))
            source_seen.append(caster.seen(source_to_world, second_to_world))
            print(f"frame {frame}: {seen[-1].mean():.0%} seen by the source", flush=True)
    out.mkdir(parents=True, exist_ok=True)
    write_video(out / "input.mp4", shot)
    write_video(out / "truth.mp4", truth)
    arrays = (np.stack(array) for array in (depth, seen, source_seen))
    write_arrays(out, extrinsics[list(frames)], *arrays)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=40, help="per pixel (default 40)")
    parser.add_argument("--out", type=Path, default=HERE, help="folder (default: this one)")
    parser.add_argument(
        "--frames", type=int, nargs="+", default=range(N_FRAMES), help="only these (default: all)"
    )
    arguments = parser.parse_args()
    make_shot(arguments.out, samples=arguments.samples, frames=arguments.frames)
    sys.stdout.flush()
    os._exit(0)  # some builds of the bpy module hang or crash while Python takes them down


if __name__ == "__main__":
    main()
