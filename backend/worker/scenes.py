"""From the source that a job names to its clip with all its geometry, in a worker."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from backend.worker.clips import link_clip, read_clip_of, shown_clip_names
from backend.worker.library_inputs import (
    lens_of,
    library_cleaning,
    link_blob,
    read_files,
    safe_suffix,
)
from ex4d.conditions.scene import Scene
from ex4d.depth.cleaning import FOR_ESTIMATES
from ex4d.depth.estimate import estimate_depth
from ex4d.video.encoder import check_rate
from protocol.messages.jobs import DepthFiles

if TYPE_CHECKING:
    from pathlib import Path

    from backend.worker.estimators import WarmEstimator
    from backend.worker.worker import JobContext
    from ex4d.depth.files import ClipDepth
    from ex4d.files.budget import Budget
    from ex4d.video.reader import Clip
    from protocol.messages.jobs import Conditions, Depth, Reconstruct, Shot, Source

__all__ = ["read_scene"]


def read_scene(
    context: JobContext,
    job: Reconstruct | Conditions | Shot,
    inputs: Path,
    estimator: WarmEstimator,
    budget: Budget,
) -> tuple[Clip, Scene, ClipDepth]:
    """Read a job's clip, and read or estimate its depth. `inputs` is an empty folder.

    Raises Ex4dError, and what `context.progress` raises.
    """
    source = job.source
    context.progress("read", 0, 1)
    given = link_clip(source, context.inputs, inputs)
    clip = read_clip_of(source, given, partial(context.progress, "read"), budget=budget)
    check_rate(clip.fps)  # before the work
    notes = tuple(_as_shown(note, source, inputs) for note in clip.notes)
    lens = lens_of(source, clip)
    if isinstance(source.depth, DepthFiles):
        paths = _link_depth(context, source.depth, inputs)
        depth = read_files(source.depth, source.cleaning, paths, clip, lens, budget=budget)
    else:
        depth = estimate_depth(
            estimator.get(source.depth, context.progress),
            clip.frames,
            lens,
            cleaning=library_cleaning(source.cleaning, FOR_ESTIMATES),
            report=context.progress,
        )
    said = (*depth.notes, *depth.warnings)
    notes += tuple(_as_client_knows(note, source.depth, inputs) for note in said)
    clip = replace(clip, notes=notes)
    scene = Scene(clip.frames, depth.depth, depth.intrinsics, job.min_face_angle_deg)
    return clip, scene, depth


def _as_shown(note: str, source: Source, inputs: Path) -> str:
    """A note with the client's names of its files."""
    for path, name in shown_clip_names(source, inputs):
        note = note.replace(path, name)
    return note


def _as_client_knows(note: str, depth: Depth, inputs: Path) -> str:
    """A sentence about depth files with the client's name for them."""
    name = depth.name if isinstance(depth, DepthFiles) else depth.estimator
    return note.replace(f"{inputs}/depth.npz", name).replace(str(inputs), name)


def _link_depth(context: JobContext, depth: DepthFiles, inputs: Path) -> list[Path]:
    """Give the depth files names that say what they are and in which order they come."""
    suffix = safe_suffix(depth.name)
    if len(depth.blobs) == 1 and suffix == ".npz":
        return [link_blob(context.inputs, depth.blobs[0], inputs / "depth.npz")]
    return [
        link_blob(context.inputs, blob, inputs / f"depth_{number:05d}{suffix}")
        for number, blob in enumerate(depth.blobs)
    ]
