"""What the artist asked for, as plain values that survive undo, File > Open and a restart.

No datablock is named but by its name, no scene but by the id that is saved with it.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

__all__ = [
    "ENGINES",
    "CleaningSettings",
    "ClipSource",
    "FinalSettings",
    "Precision",
    "ReadingSettings",
    "ReconstructRequest",
    "RenderRequest",
    "Request",
    "clip_source_from",
    "new_key",
    "render_request_from",
    "request_from",
    "stored",
]

Precision = Literal["bf16", "fp8-ffn", "fp8", "fp8-all"]  # as in SPEC.md
# By the quality that the panel names; `RenderRequest.quality` tells two of one engine apart.
ENGINES = {"DRAFT": "preview", "FAST": "wan", "FINAL": "wan"}


def new_key() -> str:
    """A key that names a new intention."""
    return uuid.uuid4().hex


@dataclass(frozen=True)
class ReadingSettings:
    """What the numbers in depth files mean; see DepthReading in SPEC.md."""

    values: str = "depth"
    near: float | None = None
    far: float | None = None
    inverted: bool = False
    scale: float = 1.0
    offset: float = 0.0
    layer: str | None = None


@dataclass(frozen=True)
class CleaningSettings:
    """What is mended in the depth; see DepthCleaning in SPEC.md."""

    holes: float = 1.0
    edges: float = 0.0
    sky_distance: float | None = 0.0


@dataclass(frozen=True)
class ClipSource:
    """A clip, which frames of it, its depth and its lens."""

    clip: str  # absolute path of a movie, or of one picture of a sequence
    depth: str  # absolute path of a .npz, or of one picture of a sequence; none: estimated
    start_frame: int = 0
    stride: int = 1
    num_frames: int = 49
    fov_deg: float | None = None  # horizontal; None: the depth's or the solved lens, else 35 mm
    estimator: str = ""  # where there is no depth file; none: the server's choice
    only_commercial: bool = False
    reading: ReadingSettings | None = None
    cleaning: CleaningSettings | None = None
    solved_camera: str = ""  # absolute path of a SolvedCamera's file; none: it stands still
    hdr: str = "tonemap"  # "keep": PQ and HLG as they are coded
    deinterlace: bool = False
    fps: float | None = None  # of pictures; None: what they say, else 24
    layer: str | None = None  # of EXR pictures; None: the server's rule


@dataclass(frozen=True)
class FinalSettings:
    """How the diffusion model makes a clip; see EngineSettings in SPEC.md."""

    steps: int = 25
    guidance_scale: float = 5.0
    prompt: str = ""  # none: the engine's own
    keep_source: bool = False
    precision: Precision = "bf16"
    guidance_until: float = 1.0
    step_cache: float = 0.0
    steps_lora: bool = False
    is_fast: bool = False  # a Fast take, however the server makes these


@dataclass(frozen=True)
class ReconstructRequest:
    """Make the animated mesh of a clip."""

    label: str
    source: ClipSource
    folder: str  # for what the mesh plays from
    scene_id: str
    grid_stride: int = 1
    first_frame: int = 1  # scene frame of the clip's first frame
    set_scene: bool = False
    set_parts: str = ""  # of scene_parts.PARTS, with commas, where set_scene is not asked
    min_face_angle_deg: float = 2.5
    key: str = field(default_factory=new_key)  # one for each intention; see SPEC.md


@dataclass(frozen=True)
class RenderRequest:
    """Re-shoot a clip along the camera path in `camera.npz` of the folder."""

    label: str
    source: ClipSource
    folder: str  # of the take
    scene_id: str
    sequencer_id: str  # of the scene that gets the strip
    frame_start: int  # where the strip begins
    camera: str  # display name of the camera that was sampled
    engine: str = "preview"
    final: FinalSettings | None = None  # of an engine that has such settings
    seed: int = 0
    min_face_angle_deg: float = 2.5
    key: str = field(default_factory=new_key)

    @property
    def quality(self) -> str:
        """Which quality of the panel it is; none for an engine that the panel does not name."""
        if self.final is not None and self.final.is_fast:
            return "FAST"
        return {engine: quality for quality, engine in ENGINES.items()}.get(self.engine, "")

    @property
    def camera_file(self) -> Path:
        """The path that is sent, as `ex4d recon --camera` reads it."""
        return Path(self.folder) / "camera.npz"


Request = ReconstructRequest | RenderRequest
_KINDS = {"reconstruct": ReconstructRequest, "render": RenderRequest}


def stored(request: Request) -> dict[str, Any]:
    """A request as a JSON object."""
    kind = next(name for name, type_ in _KINDS.items() if isinstance(request, type_))
    return {"kind": kind, **asdict(request)}


def clip_source_from(entry: dict[str, Any]) -> ClipSource:
    """The source that `asdict` made a JSON object of. Raises KeyError, TypeError or ValueError for
    anything else."""
    if not isinstance(entry, dict):
        raise TypeError("a source must be an object")
    parts = {"reading": ReadingSettings, "cleaning": CleaningSettings}
    given = {name: kind(**entry[name]) for name, kind in parts.items() if entry.get(name)}
    return ClipSource(**{**entry, **given})


def request_from(entry: dict[str, Any]) -> Request:
    """The request that `stored` wrote. Raises KeyError, TypeError or ValueError for anything
    else."""
    values = dict(entry)
    kind = _KINDS[values.pop("kind")]
    values["source"] = clip_source_from(values["source"])
    if values.get("final") is not None:
        values["final"] = FinalSettings(**values["final"])
    return kind(**values)


def render_request_from(entry: dict[str, Any]) -> RenderRequest:
    """The request for a take that `stored` wrote. Raises as `request_from` does, and TypeError for
    one that is for a mesh."""
    request = request_from(entry)
    if not isinstance(request, RenderRequest):
        raise TypeError("this request is for a mesh")
    return request
