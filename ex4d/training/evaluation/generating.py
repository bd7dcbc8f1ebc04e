"""Results for the clips of a dataset that are held out from training."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ex4d.conditions.render import Conditions
from ex4d.engines.base import Watcher, result_metadata
from ex4d.errors import InputError, VideoError
from ex4d.files.manifest import Run
from ex4d.files.outputs import make_folder, staged_file
from ex4d.training.dataset import read_dataset
from ex4d.training.evaluation.scoring import Subject
from ex4d.training.held_out import split_clips
from ex4d.video.writer import read_color, read_mask, read_metadata, write_color

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ex4d.engines.base import Engine, GenerateSettings
    from ex4d.training.dataset import ClipRecord, Dataset, MaskRecord

__all__ = ["Generation", "held_out_subjects"]


@dataclass(frozen=True)
class Generation:
    """How results are made."""

    engine: Engine
    settings: GenerateSettings
    seed: int
    adapter: str  # tells which weights: a fingerprint


def held_out_subjects(
    dataset_folder: Path,
    n_held_out: int,
    results: Path,
    generation: Generation,
    report: Callable[[int, int], None],
) -> Iterator[Subject]:
    """Make a result for each mask of the clips that `ex4d train` holds out for this number, and
    yield it. A result that an earlier run made in the same way is kept. `report` counts them.

    Raises InputError for a dataset that is damaged or has no clips, and what the engine raises.
    """
    dataset = read_dataset(dataset_folder)
    _, held_out = split_clips(dataset.clips, n_held_out)
    if not held_out:
        raise InputError(f"{dataset_folder} has no clips to hold out")
    tasks = [(clip, mask) for clip in held_out for mask in clip.masks]
    make_folder(results)
    for number, (clip, mask) in enumerate(tasks):
        report(number, len(tasks))
        name = f"{clip.name}.{mask.file.removesuffix('.mp4')}"
        path = results / f"{name}.mp4"
        _make(dataset, clip, mask, path, generation)
        yield Subject(name, path, dataset.video(clip), dataset.mask(clip, mask))
    report(len(tasks), len(tasks))


def _make(
    dataset: Dataset, clip: ClipRecord, mask: MaskRecord, path: Path, generation: Generation
) -> None:
    engine, seed = generation.engine, generation.seed
    metadata = result_metadata(engine, seed, generation.settings)
    facts = json.loads(metadata["comment"]) | {"adapter": generation.adapter}
    metadata["comment"] = json.dumps(facts)
    with suppress(VideoError):
        if path.exists() and read_metadata(path).get("comment") == metadata["comment"]:
            return
    frames, fps = read_color(dataset.video(clip))
    visible, _ = read_mask(dataset.mask(clip, mask))
    color = np.where(visible[..., None], frames, 0).astype(np.uint8)
    made = engine.generate(
        Conditions(color, visible), seed=seed, settings=generation.settings, watcher=Watcher()
    )
    with staged_file(path, Run("evaluate", path.name)) as staged:
        write_color(staged, made, fps, metadata=metadata)
