"""Everything that an operator may set of a server: one frozen structure, read once.

A field's constraints and its description stand here and nowhere else: `ex4d serve` makes its flags,
the file that it reads and the one that it prints of them (backend/settings_text.py).
"""

# No `from __future__ import annotations` here: msgspec reads the annotations.
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from ex4d.engines.base import EngineOptions
from ex4d.files.budget import Budget
from ex4d.weights.folder import default_folder
from protocol.limits import DEFAULT_PORT
from protocol.messages import Limits

__all__ = ["ServerSettings"]

_GIB = 1 << 30
_HOUR_S = 3600.0
_USUAL = Limits()
_DEVICE = re.compile(r"cpu|cuda(:[\w/-]+)?")  # a number, or the name that the driver has for it
_Count = Annotated[int, Meta(ge=1, le=(1 << 53) - 1)]
_Gib = Annotated[float, Meta(gt=0, le=1 << 20)]
_Share = Annotated[float, Meta(gt=0, le=1)]
_Seconds = Annotated[float, Meta(gt=0, le=86_400)]
_Hours = Annotated[float, Meta(ge=0, le=36_500 * 24)]
_Days = Annotated[float, Meta(ge=0, le=36_500)]


class ServerSettings(Struct, frozen=True, kw_only=True):
    """What a server does and allows. A client is a key; without keys all clients are one.

    The constraints hold for what is read (`backend.settings_text`), not for what code makes.
    """

    bind: Annotated[
        str,
        Meta(
            pattern=r"^[!-~]+\Z",
            description="where clients connect, tcp://HOST:PORT; data takes the next port",
        ),
    ] = f"tcp://127.0.0.1:{DEFAULT_PORT}"
    data_dir: Annotated[Path, Meta(description="folder of the jobs and their files")] = Path(
        "ex4d-data"
    )
    keys: Annotated[
        Path | None,
        Meta(description="folder that `ex4d keys` made (default: none, for this computer alone)"),
    ] = None

    devices: Annotated[
        tuple[str, ...],
        Meta(description="a worker for each: cpu, cuda:0, ... (default: every GPU, or cpu)"),
    ] = ()
    models: Annotated[
        Path | None,
        Meta(description="folder of all weights (default: $EX4D_MODELS, or ~/.cache/ex4d/models)"),
    ] = None
    checkpoint: Annotated[
        Path | None,
        Meta(description="ex4d.ckpt of a training run (default: the one among the weights)"),
    ] = None
    vram_gib: Annotated[
        Literal[80, 48, 24, 16] | None,
        Meta(description="GPU memory in GiB that the engine wan plans for (default: what is free)"),
    ] = None
    lora: Annotated[
        Literal["fused", "unfused"],
        Meta(description="how the adapter joins the weights; unfused is exact and slower"),
    ] = "fused"
    steps_lora: Annotated[
        Path | None,
        Meta(
            description="step-distilled LoRA for clips in 4 steps "
            "(default: the one among the weights, if it is there)"
        ),
    ] = None
    rasterizer: Annotated[
        Literal["auto", "cpu", "nvdiffrast"],
        Meta(description="what draws; nvdiffrast is licensed for research and evaluation only"),
    ] = "auto"

    worker_gib: Annotated[
        _Gib | None,
        Meta(
            description="memory of a worker in GiB; a job that needs more fails "
            "(default: 3/4 of the machine's)"
        ),
    ] = None
    worker_stage_s: Annotated[
        _Seconds, Meta(description="seconds without progress until a job's worker is replaced")
    ] = 600.0
    worker_start_s: Annotated[
        _Seconds, Meta(description="seconds that a worker may take to load its libraries")
    ] = 120.0
    worker_restart_s: Annotated[
        _Seconds,
        Meta(description="seconds until a worker that did not start is tried again; doubles"),
    ] = 2.0
    worker_cancel_s: Annotated[
        _Seconds,
        Meta(description="seconds that a worker may take to notice a cancel; then SIGTERM"),
    ] = 5.0
    worker_terminate_s: Annotated[
        _Seconds, Meta(description="seconds that a worker may take to obey SIGTERM; then SIGKILL")
    ] = 5.0

    queued_jobs: Annotated[_Count, Meta(description="waiting jobs of a client")] = (
        _USUAL.queued_jobs
    )
    queued_jobs_in_all: Annotated[_Count, Meta(description="waiting jobs of all clients")] = 2000
    max_attempts: Annotated[
        _Count, Meta(description="starts of a job, counting those that ended with the server")
    ] = 2
    open_uploads: Annotated[_Count, Meta(description="uploads of a client at once")] = (
        _USUAL.open_uploads
    )
    connections: Annotated[_Count, Meta(description="connections of a client")] = _USUAL.connections
    job_pixels: Annotated[
        _Count, Meta(description="width x height x frames of what one job makes")
    ] = _USUAL.job_pixels

    store_gib: Annotated[
        _Gib, Meta(description="room for the files of all jobs together, in GiB")
    ] = 200.0
    upload_share: Annotated[
        _Share, Meta(description="share of the free room that one client's uploads may take")
    ] = 0.5
    client_share: Annotated[
        _Share, Meta(description="share of all room that one client's jobs and uploads may hold")
    ] = 0.75
    kept_hours: Annotated[
        _Hours,
        Meta(description="hours that an ended job and its results are kept, whatever comes"),
    ] = _USUAL.kept_s / _HOUR_S
    kept_jobs: Annotated[
        _Count,
        Meta(description="ended jobs of a client that are kept for longer while there is room"),
    ] = 200
    kept_jobs_most: Annotated[
        _Count, Meta(description="ended jobs of a client in all; then new ones are refused")
    ] = 5000
    kept_jobs_in_all: Annotated[
        _Count, Meta(description="ended jobs of all clients; then new ones are refused")
    ] = 50_000
    retention_days: Annotated[
        _Days, Meta(description="days after which an ended job is forgotten in any case")
    ] = 30.0
    staging_days: Annotated[
        _Days, Meta(description="days after which the parts of a broken transfer are removed")
    ] = 7.0
    results_retry_s: Annotated[
        _Seconds, Meta(description="seconds that storing results is tried before their job fails")
    ] = 600.0

    # Other people's files beside other people's jobs: pictures of 8192 x 8192, five hundred frames
    # of 1920 x 1080 or eighteen hundred of 1024 x 576; 46 hours of video (M8).
    picture_pixels: Annotated[
        _Count, Meta(description="pixels of one picture of a clip or of its depth")
    ] = 1 << 26
    clip_pixels: Annotated[
        _Count, Meta(description="pixels of all frames of a clip, at the size they are worked on")
    ] = 1 << 30
    video_frames: Annotated[_Count, Meta(description="frames that a video file may list")] = 1 << 22
    array_gib: Annotated[_Gib, Meta(description="size of the arrays of one .npz file, in GiB")] = (
        2.0
    )

    @property
    def models_folder(self) -> Path:
        """Where all weights lie."""
        return self.models or default_folder()

    @property
    def worker_bytes(self) -> int | None:
        """The memory of a worker; None: the usual share of the machine's."""
        return None if self.worker_gib is None else int(self.worker_gib * _GIB)

    @property
    def store_bytes(self) -> int:
        """What all files together may have."""
        return int(self.store_gib * _GIB)

    @property
    def blob_bytes(self) -> int:
        """The largest file that a client can send to an empty store."""
        return int(self.store_bytes * min(self.upload_share, self.client_share))

    @property
    def kept_s(self) -> float:
        """How long an ended job is kept, whatever comes."""
        return self.kept_hours * _HOUR_S

    @property
    def retention_s(self) -> float:
        """After which an ended job is forgotten."""
        return self.retention_days * 24 * _HOUR_S

    @property
    def staging_s(self) -> float:
        """After which the parts of a broken transfer are removed."""
        return self.staging_days * 24 * _HOUR_S

    def engine_options(self) -> EngineOptions:
        """What an engine of this server is loaded with."""
        return EngineOptions(
            self.models_folder,
            self.vram_gib,
            self.lora,
            self.checkpoint,
            steps_lora=self.steps_lora,
        )

    def budget(self) -> Budget:
        """How much a job's files may make of themselves."""
        return Budget(
            picture_pixels=self.picture_pixels,
            clip_pixels=self.clip_pixels,
            video_frames=self.video_frames,
            array_bytes=int(self.array_gib * _GIB),
        )

    def limits(self) -> Limits:
        """What `welcome` tells."""
        return Limits(
            blob_bytes=min(self.blob_bytes, 1 << 44),
            queued_jobs=self.queued_jobs,
            open_uploads=self.open_uploads,
            connections=self.connections,
            job_pixels=self.job_pixels,
            kept_s=int(self.kept_s),
        )

    def contradictions(self) -> Iterator[str]:
        """What does not fit together or can be no setting, each as a sentence."""
        for device in self.devices:
            if not _DEVICE.fullmatch(device):
                yield f"the device {device!r} is unknown: give cpu, or cuda:0, cuda:1, ..."
        if self.queued_jobs > self.queued_jobs_in_all:
            yield (
                f"queued_jobs is {self.queued_jobs}, more than queued_jobs_in_all, "
                f"{self.queued_jobs_in_all}"
            )
        if self.kept_s > self.retention_s:
            yield (
                f"kept_hours is {self.kept_hours:g}, longer than retention_days, "
                f"{self.retention_days:g}"
            )
