"""submit: hand a job to the server, without Blender"""

from __future__ import annotations

import tempfile
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from backend.cli.conditions import (
    add_condition_flags,
    add_engine_flags,
    engine_settings_of,
    files_of_conditions,
    generate_job,
    gives_conditions,
)
from backend.cli.get import fetch
from backend.cli.link import add_link_arguments, connected, describe, send_file
from backend.cli.watch import follow
from backend.worker.clips import frames_of, read_clip_of
from backend.worker.library_inputs import lens_of, read_files
from ex4d.camera.files import read_trajectory
from ex4d.camera.presets import PRESETS, orbit_radius, preset_path
from ex4d.camera.trajectory import Trajectory
from ex4d.cli.clip_flags import add_clip_flags, clip_reading_of, files_of
from ex4d.cli.clip_flags import frames_of as chosen_frames
from ex4d.cli.console import say, tell
from ex4d.cli.depth_flags import (
    add_depth_flags,
    check_depth_flags,
    cleaning_of,
    depth_files_of,
    fov_of_flags,
    names_files,
    reading_of,
)
from ex4d.depth.cleaning import FOR_ESTIMATES, FOR_FILES
from ex4d.depth.estimators.catalogue import DEFAULT
from ex4d.errors import OutputError, UsageError
from ex4d.files.manifest import Run
from ex4d.files.outputs import check_names
from ex4d.files.picture_names import pattern_for
from ex4d.video.sequence import check_is_video, find_sequence
from protocol.messages.jobs import (
    BlobId,
    Conditions,
    DepthCleaning,
    DepthEstimate,
    DepthFiles,
    DepthReading,
    Pictures,
    Reconstruct,
    Shot,
    Source,
    TrajectoryArrays,
)
from protocol.trajectory import Trajectory as SentTrajectory
from protocol.trajectory import pack_trajectory

if TYPE_CHECKING:
    import argparse

    from ex4d.video.clip import FrameRange
    from ex4d.video.sequence import PictureSequence
    from protocol.client import Client
    from protocol.messages.jobs import Depth, Job

__all__ = ["add_arguments", "arrays_of", "run"]

_NOT_STORED = BlobId("0" * 64, 0)
_MOST_PICTURES = 100_000  # that a job may name the count of
_CONDITIONS = ("color.mp4", "mask.mp4", "backdrop.npz", "camera.npz", "summary.json")
_RESULTS = {  # what the server makes, to be refused before it is made
    "shot": (*_CONDITIONS, "result.mp4"),
    "conditions": _CONDITIONS,
    "reconstruct": ("reconstruction.npz", "depth.npz", "plate.mp4"),
    "generate": ("result.mp4",),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    add = parser.add_argument
    add("--kind", choices=("shot", "conditions", "reconstruct"), default="shot")
    add_condition_flags(parser)
    add_clip_flags(parser, required=False)
    add_depth_flags(parser)
    path = parser.add_mutually_exclusive_group()
    path.add_argument("--cam", default="30", help=f"{PRESETS} (default 30)")
    path.add_argument("--camera", type=Path, help="camera.npz with a path of your own")
    add_engine_flags(parser)
    add("--label", default="", help="a name for people")
    add("--key", help="the same key again gives the same job; default: a new one")
    add("--output_dir", type=Path, help="wait for the job and fetch its files")
    add_link_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Send what the server lacks, hand the job in, and print its number."""
    if gives_conditions(arguments):
        reads = files_of_conditions(arguments)
        _check_outputs(arguments, "generate", reads)
        with connected(arguments) as client:
            _hand_in(client, arguments, generate_job(client, arguments, reads), reads)
        return 0
    if arguments.input_video is None:
        raise UsageError("--input_video says which clip; or give --color and --mask")
    check_depth_flags(arguments)
    reads = (*files_of(arguments.input_video), *depth_files_of(arguments), arguments.camera)
    reads = tuple(path for path in reads if path is not None)
    _check_outputs(arguments, arguments.kind, reads)
    is_path_known = arguments.kind == "reconstruct" or arguments.camera is not None
    source = _source(arguments)
    if names_files(arguments.depth) or is_path_known:  # wrong input is found before sending
        trajectory = _trajectory(arguments, source)
    with connected(arguments) as client:
        source = _with_clip(client, arguments, source)
        if isinstance(source.depth, DepthFiles):
            blobs = [send_file(client, path) for path in depth_files_of(arguments)]
            source = structs.replace(source, depth=structs.replace(source.depth, blobs=blobs))
        elif not is_path_known:  # presets turn around what is near
            source, trajectory = _with_estimate(client, arguments, source)
        _hand_in(client, arguments, _job(arguments, source, trajectory), reads)
    return 0


def _check_outputs(arguments: argparse.Namespace, kind: str, reads: tuple[Path, ...]) -> None:
    if arguments.output_dir is not None:
        check_names(arguments.output_dir, Run("get", reads=reads), _RESULTS[kind])


def _hand_in(
    client: Client, arguments: argparse.Namespace, job: Job, reads: tuple[Path, ...]
) -> None:
    """Submit a job, print its number, and fetch its files where they are wanted."""
    info = client.submit(job, key=arguments.key or uuid.uuid4().hex, label=arguments.label)
    tell(describe(info))
    if arguments.output_dir is None:
        return
    done = follow(client, info.job_id)
    try:
        fetch(client, done, arguments.output_dir, reads)
    except OutputError as error:
        get = f"ex4d get {info.job_id} --output_dir FOLDER"
        raise OutputError(f"{error}; the job is done: {get}") from None


def arrays_of(trajectory: Trajectory) -> TrajectoryArrays:
    """A camera path as a job carries it."""
    return pack_trajectory(
        SentTrajectory(
            *trajectory.size,
            trajectory.world_to_camera,
            trajectory.intrinsics,
            trajectory.source_frames,
            trajectory.source_extrinsics,
        )
    )


def _with_clip(client: Client, arguments: argparse.Namespace, source: Source) -> Source:
    """The source with its clip sent: a video, or the pictures of its frames."""
    path = arguments.input_video
    sequence = find_sequence(path)
    if sequence is None or source.pictures is None:
        return structs.replace(source, clip=send_file(client, path))
    blobs = [client.upload(picture) for picture in sequence.at(frames_of(source))]
    size = sum(blob.size for blob in blobs)
    say("sent", f"{path}: {len(blobs)} pictures ({size / 1e6:.1f} MB)")
    pictures = structs.replace(source.pictures, blobs=blobs)
    return structs.replace(source, clip=blobs[0], pictures=pictures)


def _source(arguments: argparse.Namespace) -> Source:
    """What the flags say; nothing is stored yet."""
    for name, least in (("num_frames", 2), ("stride", 1)):
        if getattr(arguments, name) < least:
            raise UsageError(f"--{name} is {getattr(arguments, name)}; it must be at least {least}")
    sequence, chosen = find_sequence(arguments.input_video), chosen_frames(arguments)
    depth: Depth = DepthEstimate(arguments.depth or DEFAULT, arguments.commercial)
    usual = FOR_ESTIMATES
    if names_files(arguments.depth):
        usual = FOR_FILES
        reading = DepthReading(**asdict(reading_of(arguments)))
        name = depth_files_of(arguments)[0].name[-200:]
        depth = DepthFiles([_NOT_STORED], name, reading)
    return Source(
        clip=_NOT_STORED,
        clip_name=_shown_name(arguments, sequence)[-200:],
        depth=depth,
        start_frame=chosen.start,
        stride=chosen.stride,
        num_frames=arguments.num_frames,
        width=arguments.width,
        height=arguments.height,
        fov_deg=fov_of_flags(arguments),
        cleaning=DepthCleaning(**asdict(cleaning_of(arguments, usual))),
        hdr=arguments.hdr,
        deinterlace=arguments.deinterlace,
        pictures=_pictures(arguments, sequence, chosen),
    )


def _shown_name(arguments: argparse.Namespace, sequence: PictureSequence | None) -> str:
    """What the clip is called in messages: a video by its name, pictures by their pattern."""
    if sequence is None:
        return str(arguments.input_video.name)
    return pattern_for(sequence.pictures[0].name, sequence.first_number)


def _pictures(
    arguments: argparse.Namespace, sequence: PictureSequence | None, chosen: FrameRange
) -> Pictures | None:
    """The pictures of the clip's frames, not stored yet; None for a video."""
    reading = clip_reading_of(arguments)
    if sequence is None:
        check_is_video(arguments.input_video, reading)
        return None
    n_frames = chosen.count(sequence.count)
    if n_frames < 2 or sequence.count > _MOST_PICTURES:
        raise UsageError(
            f"{arguments.input_video} has {sequence.count} pictures, of which {n_frames} are "
            f"chosen; at least 2 of at most {_MOST_PICTURES} make a clip"
        )
    return Pictures(
        blobs=[_NOT_STORED] * n_frames,
        count=sequence.count,
        first_number=sequence.first_number,
        fps=None if reading.fps is None else float(reading.fps),
        layer=reading.layer,
    )


def _with_estimate(
    client: Client, arguments: argparse.Namespace, source: Source
) -> tuple[Source, TrajectoryArrays | None]:
    """The source with its estimated depth as a file, and the path that this gives."""
    key = f"{arguments.key}-depth" if arguments.key else uuid.uuid4().hex
    info = client.submit(Reconstruct(source), key=key, label=f"{arguments.label} depth".strip())
    tell(describe(info))
    blob = follow(client, info.job_id).results["depth.npz"]
    with tempfile.TemporaryDirectory() as folder:
        arguments.depth = str(client.download(blob, Path(folder) / "depth.npz"))
        files = structs.replace(source, depth=DepthFiles([blob]), cleaning=None)
        return files, _trajectory(arguments, files)


def _trajectory(arguments: argparse.Namespace, source: Source) -> TrajectoryArrays | None:
    """The camera path, which needs to know the clip; wrong input is found here."""
    if arguments.kind == "reconstruct":
        return None
    if arguments.camera is not None:
        return arrays_of(
            read_trajectory(arguments.camera, read_clip_of(source, arguments.input_video))
        )
    preset_path(arguments.cam, 2, 1.0)  # an unknown name fails before the clip is read
    if not isinstance(source.depth, DepthFiles):
        raise AssertionError
    clip = read_clip_of(source, arguments.input_video)
    depth = read_files(
        source.depth, source.cleaning, depth_files_of(arguments), clip, lens_of(source, clip)
    )
    n_frames, height, width = clip.frames.shape[:3]
    poses = preset_path(arguments.cam, n_frames, orbit_radius(depth.depth[0]))
    return arrays_of(Trajectory(poses, depth.intrinsics, (width, height)))


def _job(arguments: argparse.Namespace, source: Source, trajectory: TrajectoryArrays | None) -> Job:
    if trajectory is None:
        return Reconstruct(source)
    if arguments.kind == "conditions":
        return Conditions(source, trajectory)
    settings = engine_settings_of(arguments)
    return Shot(source, trajectory, engine=arguments.engine, seed=arguments.seed, settings=settings)
