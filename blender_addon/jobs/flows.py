"""The way of each request, step by step: send the files, hand in the job, wait, fetch, unpack.

A flow is a generator: it yields the next step and is sent the step's value, or thrown its error.
Every step may be done again, so a flow that was cut off by a crash or a lost server simply starts
anew: files that the server has are not sent twice, and the request's key names the same job.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...protocol.messages.jobs import (
    Depth,
    DepthCleaning,
    DepthEstimate,
    DepthFiles,
    DepthReading,
    EngineSettings,
    Lens,
    Pictures,
    Reconstruct,
    Shot,
    Source,
)
from ...protocol.trajectory import Trajectory, pack_trajectory
from ..errors import SettingsError
from ..presets import orbit_radius
from .cache_files import write_cache
from .camera_file import read_camera_file
from .clip_pictures import clip_pictures
from .depth_pictures import depth_files
from .requests import ReconstructRequest
from .results import read_reconstruction, read_summary
from .solved_camera import SolvedCamera

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ...protocol.background import BackgroundClient
    from ...protocol.messages.jobs import BlobId, JobInfo, TrajectoryArrays
    from .cache_files import CacheFiles
    from .requests import ClipSource, FinalSettings, RenderRequest, Request
    from .results import ReceivedReconstruction, Summary

__all__ = ["Ask", "FinishedMesh", "FinishedTake", "Flow", "Unpack", "Wait", "flow_of", "read_path"]


_FEWEST = 2  # frames of a clip


@dataclass(frozen=True)
class Ask:
    """A command for the server."""

    stage: str
    begin: Callable[[BackgroundClient], int]  # returns the token of its news
    is_submit: bool = False  # a job comes of it


@dataclass(frozen=True)
class Wait:
    """The end of a job; gives its JobInfo."""

    job_id: str


@dataclass(frozen=True)
class Unpack:
    """Work on this computer, on a thread of its own."""

    stage: str
    run: Callable[[Callable[[int, int], None]], Any]  # gets a progress that it must call


@dataclass(frozen=True)
class FinishedMesh:
    """A reconstruction, ready to come into the scene."""

    received: ReceivedReconstruction
    files: CacheFiles
    orbit_radius: float  # of the presets
    plate: Path | None = None  # a movie of the frames, where Blender would show others of the clip


@dataclass(frozen=True)
class FinishedTake:
    """A re-shot clip, ready to become a strip."""

    job_id: str
    movie: Path
    summary: Summary


Step = Ask | Wait | Unpack
if TYPE_CHECKING:
    Flow = Generator[Step, Any, FinishedMesh | FinishedTake]


def flow_of(request: Request) -> Flow:
    """The steps of a request."""
    if isinstance(request, ReconstructRequest):
        return _reconstruct(request)
    return _render(request)


def _reconstruct(request: ReconstructRequest) -> Flow:
    source = yield from _send(request.source)
    job = Reconstruct(source, request.min_face_angle_deg)
    info = yield from _finish(request, job)
    folder = Path(request.folder)
    if not request.source.depth:  # estimated; takes are rendered with the same
        yield from _fetch(info, "depth.npz", folder)
    plate: Path | None = None
    if "plate.mp4" in info.results:  # Blender would show other pictures of the clip
        plate = yield from _fetch(info, "plate.mp4", folder)
    path = yield from _fetch(info, "reconstruction.npz", folder)
    mesh: FinishedMesh = yield Unpack("mesh", lambda told: _expand(path, request, told))
    return replace(mesh, plate=plate)


def _expand(
    path: Path, request: ReconstructRequest, progress: Callable[[int, int], None]
) -> FinishedMesh:
    received = read_reconstruction(path)
    files = write_cache(
        received.reconstruction,
        Path(request.folder),
        "mesh",
        stride=request.grid_stride,
        progress=progress,
    )
    path.unlink()  # the mesh plays from the files just written
    return FinishedMesh(received, files, orbit_radius(received.reconstruction.depth(0)))


def _render(request: RenderRequest) -> Flow:
    path = yield Unpack("camera path", lambda told: read_path(request.camera_file))
    source = yield from _send(request.source)
    job = Shot(
        source,
        path,
        request.min_face_angle_deg,
        engine=request.engine,
        seed=request.seed,
        settings=_engine_settings(request.final),
    )
    info = yield from _finish(request, job)
    folder = Path(request.folder)
    for name in ("summary.json", "color.mp4", "mask.mp4"):
        yield from _fetch(info, name, folder)
    movie = yield from _fetch(info, "result.mp4", folder)
    summary = yield Unpack("summary", lambda told: read_summary(folder / "summary.json"))
    return FinishedTake(info.job_id, movie, summary)


def _engine_settings(given: FinalSettings | None) -> EngineSettings | None:
    if given is None:
        return None
    return EngineSettings(
        num_inference_steps=given.steps,
        guidance_scale=given.guidance_scale,
        guidance_until=given.guidance_until,
        step_cache=given.step_cache,
        steps_lora=given.steps_lora,
        prompt=given.prompt or None,
        keep_source=given.keep_source,
        precision=given.precision,
    )


def _send(source: ClipSource) -> Generator[Step, Any, Source]:
    """The files of a source, as far as the server lacks them."""
    solved: SolvedCamera | None = None
    if source.solved_camera:
        place = Path(source.solved_camera)
        solved = yield Unpack("solved camera", lambda told: SolvedCamera.read(place))
    clip, name, pictures = yield from _send_clip(source)
    depth: Depth = DepthEstimate(source.estimator, source.only_commercial)
    if source.depth:
        files = yield Unpack("depth files", lambda told: depth_files(Path(source.depth)))
        blobs = []
        for path in files:
            blob = yield _upload("sending the depth", path)
            blobs.append(blob)
        reading = DepthReading(**asdict(source.reading)) if source.reading else None
        depth = DepthFiles(blobs, files[0].name[-200:], reading)
    return Source(
        clip,
        name[-200:],
        depth,
        start_frame=source.start_frame,
        stride=source.stride,
        num_frames=source.num_frames,
        fov_deg=source.fov_deg,
        lens=_lens_of(solved) if solved else None,
        cleaning=DepthCleaning(**asdict(source.cleaning)) if source.cleaning else None,
        hdr="keep" if source.hdr == "keep" else "tonemap",
        deinterlace=source.deinterlace,
        pictures=pictures,
    )


def _send_clip(source: ClipSource) -> Generator[Step, Any, tuple[BlobId, str, Pictures | None]]:
    """The movie, or the pictures of the clip's frames alone."""
    path = Path(source.clip)
    found = yield Unpack("the clip's files", lambda told: clip_pictures(path))
    if found is None:
        clip = yield _upload("sending the clip", path)
        return clip, path.name, None
    blobs = []
    for picture in found.chosen(source.start_frame, source.stride, source.num_frames):
        blob = yield _upload("sending the clip", picture)
        blobs.append(blob)
    if len(blobs) < _FEWEST:
        raise SettingsError(f"There are {len(blobs)} pictures; a clip needs {_FEWEST}.")
    pictures = Pictures(blobs, len(found.paths), found.first_number, source.fps, source.layer)
    return blobs[0], found.pattern, pictures


def _upload(stage: str, path: Path) -> Ask:
    """A step that sends a file; gives its BlobId."""
    return Ask(stage, lambda client: client.upload(path))


def _lens_of(solved: SolvedCamera) -> Lens:
    width, height = solved.size
    focal_and_centre = solved.intrinsics[:, [0, 1, 0, 1], [0, 1, 2, 2]]
    return Lens(width, height, np.ascontiguousarray(focal_and_centre, "<f8").tobytes())


def _finish(request: Request, job: Reconstruct | Shot) -> Generator[Step, Any, JobInfo]:
    """The job's end. The key makes the server give the same job when it is handed in again."""
    submitted = yield Ask(
        "handing in",
        lambda client: client.submit(job, key=request.key, label=request.label[:200]),
        is_submit=True,
    )
    info: JobInfo = yield Wait(submitted.job_id)
    return info


def _fetch(info: JobInfo, name: str, folder: Path) -> Generator[Step, Any, Path]:
    blob: BlobId = info.results[name]
    target = folder / name
    path: Path = yield Ask(f"fetching {name}", lambda client: client.download(blob, target))
    return path


def read_path(path: Path) -> TrajectoryArrays:
    """The camera path of a take, packed for the wire. Raises SettingsError."""
    file = read_camera_file(path, (0, 0))  # it has its size
    return pack_trajectory(
        Trajectory(
            *file.size, file.extrinsics, file.intrinsics, source_extrinsics=file.source_extrinsics
        )
    )
