"""The public code's example, made again in every mode and compared with what was published."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from ex4d.conditions.files import read_conditions
from ex4d.engines.base import Watcher
from ex4d.engines.choose import choose_engine
from ex4d.engines.wan.conditioning import model_size
from ex4d.errors import Ex4dError, InputError, MissingPartError
from ex4d.training.evaluation.metrics import compare_frames
from ex4d.video.writer import read_color
from ex4d.weights.example import FLOWER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from fractions import Fraction
    from pathlib import Path

    import numpy as np

    from ex4d.conditions.render import Conditions
    from ex4d.engines.base import Draw, Engine, EngineOptions
    from ex4d.verification.modes import Mode

__all__ = ["ModeResult", "PublicExample", "compare_example", "read_example", "run_modes"]

_SEED = 0  # the public code's


@dataclass(frozen=True, eq=False)
class PublicExample:
    """Conditions, and the clip that the public code made of them."""

    conditions: Conditions
    published: np.ndarray  # uint8 [T, H, W, 3]
    fps: Fraction  # of the published clip

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.published.shape[2], self.published.shape[1]


@dataclass(frozen=True, eq=False)
class ModeResult:
    """What came of a mode: a clip, or why there is none."""

    mode: Mode
    frames: np.ndarray | None = None  # uint8 [T, H, W, 3]
    stages_s: dict[str, float] = field(default_factory=dict)  # seconds, in order
    peak_gib: float | None = None  # of the GPU's memory, as torch counts it
    problem: Ex4dError | None = None


def read_example(folder: Path) -> PublicExample:
    """Read the conditions and the published clip in a folder.

    Raises MissingPartError when a file is not there, VideoError, and InputError when they do not
    belong together.
    """
    color, mask, output = (folder / file.name for file in FLOWER.files)
    for path in (color, mask, output):
        if not path.is_file():
            raise MissingPartError(
                f"the public example is not here, there is no file {path}",
                advice="ex4d download --example, or --example FOLDER",
            )
    conditions, _ = read_conditions(color, mask)
    published, fps = read_color(output)
    if published.shape != conditions.color.shape:
        here, there = (_said(video) for video in (conditions.color, published))
        raise InputError(f"{color} and {output} do not belong together: {here} and {there}")
    example = PublicExample(conditions, published, fps)
    if model_size(example.size, example.size) != example.size:
        raise InputError(f"{output} is {_said(published)}: sides must be even, and at least 16")
    return example


def run_modes(
    example: PublicExample,
    modes: tuple[Mode, ...],
    options: EngineOptions,
    report: Callable[[str, int, int], None],
) -> Iterator[ModeResult]:
    """Make the clip in each mode. `report` gets the mode and stage, and how much is done."""
    engine: Engine | None = None
    loaded = None
    for mode in modes:
        asked = mode.engine_options(options)
        clock = _StageClock(mode.name, report)
        _reset_peak()
        try:
            if engine is None or asked != loaded:
                engine = None  # two sets of models do not fit
                _reset_peak()
                engine, loaded = choose_engine("wan", asked)[0], asked
            settings = mode.generate_settings(example.size)
            frames = engine.generate(
                example.conditions, seed=_SEED, settings=settings, watcher=clock
            )
        except Ex4dError as error:
            yield ModeResult(mode, stages_s=clock.finished(), problem=error)
        else:
            yield ModeResult(mode, frames, clock.finished(), _peak_gib())


def compare_example(
    example: PublicExample, frames: np.ndarray, other: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Compare frames with the published ones, or with others: see compare_frames."""
    truth = example.published if other is None else other
    return compare_frames(frames, truth, example.conditions.mask)


class _StageClock(Watcher):
    """Measures how long each stage takes."""

    def __init__(self, name: str, report: Callable[[str, int, int], None]) -> None:
        self._name, self._report = name, report
        self._stages_s: dict[str, float] = {}
        self._stage = ""
        self._since = time.monotonic()

    def progress(self, stage: str, done: int, total: int) -> None:
        """Note the beginning of a stage."""
        if stage != self._stage:
            self._close(stage)
        self._report(f"{self._name}: {stage}", done, total)

    def preview(self, draw: Draw) -> None:
        """Not looked at."""

    def finished(self) -> dict[str, float]:
        """Seconds of each stage."""
        self._close("")
        return self._stages_s

    def _close(self, following: str) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()  # what was launched belongs to the stage before
        now = time.monotonic()
        if self._stage:
            self._stages_s[self._stage] = self._stages_s.get(self._stage, 0) + now - self._since
        self._stage, self._since = following, now


def _reset_peak() -> None:
    """Give back what nobody holds: the engine plans by what is free."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _peak_gib() -> float | None:
    if not torch.cuda.is_available():
        return None
    return float(torch.cuda.max_memory_allocated() / (1 << 30))


def _said(video: np.ndarray) -> str:
    return f"{len(video)} frames of {video.shape[2]}x{video.shape[1]}"
