"""Jobs: what a client can ask for, and the states that a job goes through."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct

from .job_types import BlobId, Count, Name, Path, Prompt, Sha256, Side
from .sources import (
    Depth,
    DepthCleaning,
    DepthEstimate,
    DepthFiles,
    DepthReading,
    Lens,
    Pictures,
    Source,
)

__all__ = [
    "FINAL_STATES",
    "MOVES",
    "BlobId",
    "Conditions",
    "Count",
    "Depth",
    "DepthCleaning",
    "DepthEstimate",
    "DepthFiles",
    "DepthReading",
    "EngineSettings",
    "Generate",
    "Job",
    "JobInfo",
    "JobState",
    "Lens",
    "Name",
    "Path",
    "Pictures",
    "Prompt",
    "Reconstruct",
    "Sha256",
    "Shot",
    "Side",
    "Source",
    "TrajectoryArrays",
]


class JobState(StrEnum):
    """Where a job is. INTERRUPTED: the server stopped while it ran, and the user decides."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


MOVES: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED, JobState.FAILED}),
    JobState.RUNNING: frozenset(
        {
            JobState.DONE,
            JobState.FAILED,
            JobState.CANCELLED,
            JobState.INTERRUPTED,
            JobState.QUEUED,  # the server was restarted and the job may be tried again
        }
    ),
    JobState.DONE: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
    JobState.INTERRUPTED: frozenset({JobState.QUEUED, JobState.CANCELLED}),
}
FINAL_STATES = frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELLED})


class TrajectoryArrays(Struct, frozen=True, forbid_unknown_fields=True):
    """A camera path as raw little-endian arrays; see `Trajectory` in SPEC.md."""

    n_frames: Annotated[int, Meta(ge=1, le=4096)]
    width: Side  # pixels of the output
    height: Side
    extrinsics: Path  # float64 [T, 4, 4], world_to_camera, OpenCV axes
    intrinsics: Path  # float64 [T, 4]: fx, fy, cx, cy, pixel centres at +0.5
    source_frames: Path | None = None  # int64 [T]; none: frame t shows source frame t
    source_extrinsics: Path | None = None  # float64 [N, 4, 4]; none: the source stands still


class Reconstruct(
    Struct, frozen=True, tag="reconstruct", tag_field="kind", forbid_unknown_fields=True
):
    """Make what Blender expands to the animated mesh."""

    source: Source
    min_face_angle_deg: Annotated[float, Meta(ge=0, lt=60)] = 2.5


class Conditions(
    Struct, frozen=True, tag="conditions", tag_field="kind", forbid_unknown_fields=True
):
    """Render colour and mask along a camera path."""

    source: Source
    trajectory: TrajectoryArrays
    min_face_angle_deg: Annotated[float, Meta(ge=0, lt=60)] = 2.5


class EngineSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How a diffusion engine makes a clip. Other engines ignore it."""

    num_inference_steps: Annotated[int, Meta(ge=1, le=1000)] = 25
    guidance_scale: Annotated[float, Meta(ge=0, le=100)] = 5.0
    guidance_until: Annotated[float, Meta(ge=0, le=1)] = 1.0  # share of the steps, from the first
    step_cache: Annotated[float, Meta(ge=0, le=1)] = 0.0  # 0: every step is evaluated
    shift: Annotated[float, Meta(gt=0, le=100)] = 5.0
    prompt: Prompt | None = None  # none: the engine's own
    negative_prompt: Prompt | None = None
    width: Side | None = None  # that the model works at; none: what fits the conditions
    height: Side | None = None
    keep_source: bool = False  # the source's own pixels where they are seen
    precision: Literal["bf16", "fp8-ffn", "fp8", "fp8-all"] = "bf16"  # of matrix products
    steps_lora: bool = False  # only where `welcome` tells of a step-distilled LoRA


class Generate(Struct, frozen=True, tag="generate", tag_field="kind", forbid_unknown_fields=True):
    """Make the finished clip from conditions."""

    color: BlobId
    mask: BlobId
    backdrop: BlobId | None = None
    engine: Name = "auto"
    seed: Annotated[int, Meta(ge=0, lt=1 << 32)] = 0
    settings: EngineSettings | None = None  # none: the engine's own


class Shot(Struct, frozen=True, tag="shot", tag_field="kind", forbid_unknown_fields=True):
    """Conditions and the finished clip in one job."""

    source: Source
    trajectory: TrajectoryArrays
    min_face_angle_deg: Annotated[float, Meta(ge=0, lt=60)] = 2.5
    engine: Name = "auto"
    seed: Annotated[int, Meta(ge=0, lt=1 << 32)] = 0
    settings: EngineSettings | None = None  # none: the engine's own


Job = Reconstruct | Conditions | Generate | Shot


class JobInfo(Struct, frozen=True, forbid_unknown_fields=True):
    """What the server tells of a job."""

    job_id: Name
    key: Name
    kind: Name
    label: Name
    state: JobState
    stage: Name = ""
    done: Count = 0
    total: Count = 0
    sequence: Annotated[int, Meta(ge=0)] = 0  # of its last event
    error_code: Name = ""
    error_text: Annotated[str, Meta(max_length=10_000)] = ""
    results: dict[str, BlobId] = {}
