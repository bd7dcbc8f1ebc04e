"""submit: hand a job to the server, without Blender"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backend.cli.get import fetch
from backend.cli.link import add_link_arguments, connected, describe
from backend.cli.watch import follow
from backend.sources import read_scene
from ex4d.camera.files import read_trajectory
from ex4d.camera.presets import PRESETS, orbit_radius, preset_path
from ex4d.camera.trajectory import Trajectory
from ex4d.cli.console import say
from ex4d.errors import UsageError
from ex4d.video.reader import FrameRange, read_clip
from protocol.jobs import BlobId, Conditions, Reconstruct, Shot, Source, TrajectoryArrays

if TYPE_CHECKING:
    import argparse

    from protocol.client import Client
    from protocol.jobs import Job

__all__ = ["add_arguments", "arrays_of", "run"]

_NOT_STORED = BlobId("0" * 64, 0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    add = parser.add_argument
    add("--kind", choices=("shot", "conditions", "reconstruct"), default="shot")
    add("--input_video", required=True, type=Path)
    add("--depth", required=True, type=Path, help="depth.npz")
    path = parser.add_mutually_exclusive_group()
    path.add_argument("--cam", default="30", help=f"{PRESETS} (default 30)")
    path.add_argument("--camera", type=Path, help="camera.npz with a path of your own")
    add("--num_frames", type=int, default=49)
    add("--start_frame", type=int, default=0)
    add("--stride", type=int, default=1)
    add("--width", type=int)
    add("--height", type=int)
    add("--fov", type=float, help="horizontal field of view of the source's lens, degrees")
    add("--engine", default="auto")
    add("--seed", type=int, default=0)
    add("--label", default="", help="a name for people")
    add("--key", help="the same key again gives the same job; default: a new one")
    add("--output_dir", type=Path, help="wait for the job and fetch its files")
    add_link_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Send what the server lacks, hand the job in, and print its number."""
    source = _source(arguments, _NOT_STORED, _NOT_STORED)
    trajectory = None if arguments.kind == "reconstruct" else _trajectory(arguments, source)
    with connected(arguments) as client:
        clip, depth = _upload(client, arguments.input_video), _upload(client, arguments.depth)
        job = _job(arguments, _source(arguments, clip, depth), trajectory)
        info = client.submit(job, key=arguments.key or uuid.uuid4().hex, label=arguments.label)
        print(describe(info), flush=True)
        if arguments.output_dir is not None:
            fetch(client, follow(client, info.job_id), arguments.output_dir)
    return 0


def arrays_of(trajectory: Trajectory) -> TrajectoryArrays:
    """A camera path as a job carries it."""
    lens = trajectory.intrinsics[:, [0, 1, 0, 1], [0, 1, 2, 2]]
    source = trajectory.source_extrinsics
    return TrajectoryArrays(
        n_frames=len(trajectory),
        width=trajectory.size[0],
        height=trajectory.size[1],
        extrinsics=np.ascontiguousarray(trajectory.world_to_camera, "<f8").tobytes(),
        intrinsics=np.ascontiguousarray(lens, "<f8").tobytes(),
        source_frames=np.ascontiguousarray(trajectory.source_frames, "<i8").tobytes(),
        source_extrinsics=None if source is None else np.ascontiguousarray(source, "<f8").tobytes(),
    )


def _upload(client: Client, path: Path) -> BlobId:
    blob = client.upload(path)
    say("sent", f"{path} ({blob.size / 1e6:.1f} MB)")
    return blob


def _source(arguments: argparse.Namespace, clip: BlobId, depth: BlobId) -> Source:
    for name, least in (("num_frames", 2), ("start_frame", 0), ("stride", 1)):
        if getattr(arguments, name) < least:
            raise UsageError(f"--{name} is {getattr(arguments, name)}; it must be at least {least}")
    return Source(
        clip=clip,
        clip_name=arguments.input_video.name[-200:],
        depth=depth,
        start_frame=arguments.start_frame,
        stride=arguments.stride,
        num_frames=arguments.num_frames,
        width=arguments.width,
        height=arguments.height,
        fov_deg=arguments.fov,
    )


def _trajectory(arguments: argparse.Namespace, source: Source) -> TrajectoryArrays:
    """The camera path, which needs to know the clip; wrong input is found here, before sending."""
    if arguments.camera is not None:
        frames = FrameRange(source.start_frame, source.stride, source.num_frames)
        clip = read_clip(arguments.input_video, frames, width=source.width, height=source.height)
        return arrays_of(read_trajectory(arguments.camera, clip))
    preset_path(arguments.cam, 2, 1.0)  # an unknown name fails before the clip is read
    clip, scene = read_scene(source, arguments.input_video, arguments.depth, 2.5)
    n_frames, height, width = clip.frames.shape[:3]
    poses = preset_path(arguments.cam, n_frames, orbit_radius(scene.depth[0]))
    return arrays_of(Trajectory(poses, scene.intrinsics, (width, height)))


def _job(arguments: argparse.Namespace, source: Source, trajectory: TrajectoryArrays | None) -> Job:
    if trajectory is None:
        return Reconstruct(source)
    if arguments.kind == "conditions":
        return Conditions(source, trajectory)
    return Shot(source, trajectory, engine=arguments.engine, seed=arguments.seed)
