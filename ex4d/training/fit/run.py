"""A training run, from its settings to its checkpoints."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import logging
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ex4d.engines.wan.folder import EX4D_FILE, find_models, require_files
from ex4d.engines.wan.weights import open_tensors, shapes_of
from ex4d.errors import InputError, TooLargeError, UsageError
from ex4d.files.outputs import make_folder
from ex4d.training.cache.files import Cache, read_cache
from ex4d.training.fit.adapter import Adapter, make_adapter
from ex4d.training.fit.base import load_base, place_base
from ex4d.training.fit.checkpoints import (
    RunState,
    load_optimizer,
    newest_checkpoint,
    read_state,
    save_checkpoint,
)
from ex4d.training.fit.model import AdapterModel, read_sample
from ex4d.training.fit.sample_choices import SampleChoices
from ex4d.training.fit.settings import CONFIG_FILE, write_config
from ex4d.training.fit.steps import Stepper, make_accelerator
from ex4d.training.fit.tensorboard import TensorBoardCurves
from ex4d.training.fit.validation import Validation
from ex4d.training.held_out import split_clips
from ex4d.weights.folder import default_folder

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from concurrent.futures import Future

    from ex4d.engines.wan.folder import ModelFiles
    from ex4d.engines.wan.weights import Shapes
    from ex4d.training.cache.files import ClipEntry
    from ex4d.training.fit.model import Sample
    from ex4d.training.fit.settings import TrainSettings
    from ex4d.training.fit.steps import StepFigures

__all__ = ["Listener", "train"]

_log = logging.getLogger(__name__)


class Listener:
    """Hears how a run goes, on its first process; this one does nothing."""

    def loading(self, done: int, total: int) -> None:
        """So many tensors of the frozen transformer are loaded."""

    def said(self, what: str, text: str) -> None:
        """A fact about the run."""

    def stepped(self, step: int, total: int, figures: StepFigures) -> None:
        """So many steps of all are made."""


@dataclass(frozen=True)
class _Data:
    """What a run reads."""

    files: ModelFiles
    cache: Cache
    training: list[ClipEntry]
    held_out: list[ClipEntry]

    @property
    def clips(self) -> str:
        names = "\n".join(f"{entry.name} {entry.record}" for entry in self.training)
        return hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()


def train(settings: TrainSettings, folder: Path, listener: Listener) -> None:
    """Train an adapter, or go on from the newest checkpoint in the run's folder.

    In every one of the processes that torchrun or `accelerate launch` started; alone otherwise.
    Raises InputError, MissingPartError, OutputError, TooLargeError and TrainingError; what a run
    has written stays.
    """
    data = _read(settings)
    accelerator = make_accelerator()
    listener = listener if accelerator.is_main_process else Listener()
    try:
        _train(settings, folder, data, accelerator, listener)
    except torch.OutOfMemoryError as error:
        size = data.cache.settings
        raise TooLargeError(
            f"training on {size.num_frames} frames of {size.width}x{size.height} does not fit into "
            f"the GPU's memory ({str(error).partition('. ')[0]}): give a smaller --vram, or "
            "--shard with more GPUs"
        ) from None
    accelerator.end_training()


def _read(settings: TrainSettings) -> _Data:
    if not settings.cache:
        raise UsageError("no cache was given: --cache, the folder that ex4d cache made")
    cache = read_cache(Path(settings.cache))
    training, held_out = split_clips(cache.entries, settings.held_out)
    if not training:
        count = len(held_out)
        what = f"{count} clips, and all are held out (--held_out)" if count else "no clips"
        raise InputError(f"{settings.cache} holds {what}: there is nothing to train on")
    files = find_models(Path(settings.models) if settings.models else default_folder())
    needs_vae = bool(held_out and settings.samples)
    require_files((*files.transformer, files.vae) if needs_vae else files.transformer)
    return _Data(files, cache, training, held_out)


def _train(
    settings: TrainSettings, folder: Path, data: _Data, accelerator: Any, listener: Listener
) -> None:
    if settings.shard and accelerator.num_processes == 1:
        raise UsageError(
            "--shard needs several GPUs: torchrun --nproc_per_node=2 -m ex4d train ..."
        )
    # what may be wrong is looked at before 33 GB are loaded
    shapes = shapes_of(open_tensors(data.files.transformer))
    adapter = make_adapter(shapes, settings.rank, settings.seed)
    newest = newest_checkpoint(folder)
    first = 0
    if newest is not None:
        first = _restore(newest, adapter, shapes, data)
        listener.said("goes on", f"after step {first}: {newest}")
    elif settings.start_from:
        adapter.load(Path(settings.start_from), shapes)
    if first >= settings.steps:
        listener.said("done", f"all {settings.steps} steps are made: give more --steps to go on")
        return
    model = _make_model(settings, data, adapter, accelerator.device, listener)
    stepper = Stepper(accelerator, model, settings)
    if newest is not None:
        load_optimizer(newest, first, adapter, stepper.optimizer)
    if accelerator.is_main_process:
        make_folder(folder)
        write_config(folder / CONFIG_FILE, settings)
    _Run(settings, folder, data, accelerator, listener, model, stepper).go(first)


def _make_model(
    settings: TrainSettings,
    data: _Data,
    adapter: Adapter,
    device: torch.device,
    listener: Listener,
) -> AdapterModel:
    base = load_base(data.files.transformer, device, listener.loading)
    adapter.change(base)
    transformer, where = place_base(base, data.cache.settings, settings, device)
    n_trained = sum(parameter.numel() for parameter in adapter.parameters())
    listener.said("trains", f"{n_trained / 1e6:.1f} million values; {where}")
    return AdapterModel(adapter, transformer, device)


def _restore(newest: Path, adapter: Adapter, shapes: Shapes, data: _Data) -> int:
    """Give the adapter the values of a checkpoint; return how many steps were made."""
    state = read_state(newest)
    if state.cache != data.cache.settings:
        raise UsageError(
            f"the run was begun with a cache of other settings than {data.cache.folder}: {newest} "
            "names them; give another --output_dir for a new run"
        )
    if state.clips != data.clips:
        _log.warning("the cache holds other clips than when the run was begun")
    adapter.load(newest / EX4D_FILE, shapes)
    return state.step


@dataclass(frozen=True)
class _Run:
    settings: TrainSettings
    folder: Path
    data: _Data
    accelerator: Any
    listener: Listener
    model: AdapterModel
    stepper: Stepper

    def go(self, first: int) -> None:
        """Make the steps from `first` on."""
        total, stepper = self.settings.steps, self.stepper
        choices = SampleChoices(self.data.cache, self.data.training, self.settings)
        numbers = (number for step in range(first, total) for number in stepper.numbers(step))
        samples = _read_ahead(self.data.cache, choices, numbers)
        with contextlib.closing(samples), self._board(first) as board:
            for step in range(first, total):
                started = time.monotonic()
                figures = stepper.step(step, itertools.islice(samples, stepper.n_samples))
                done = step + 1
                self.listener.stepped(done, total, figures)
                if board is not None:
                    board.add(done, _curves(figures, time.monotonic() - started))
                if done % self.settings.checkpoint_every == 0 or done == total:
                    self._save(done)
                if done % self.settings.sample_every == 0 or done == total:
                    self._look(done, board)

    def _board(self, first: int) -> contextlib.AbstractContextManager[TensorBoardCurves | None]:
        if self.accelerator.is_main_process:
            return TensorBoardCurves(self.folder / "tensorboard", first + 1)
        return contextlib.nullcontext()

    def _save(self, step: int) -> None:
        if self.accelerator.is_main_process:
            state = RunState(step, self.data.cache.settings, self.data.clips)
            adapter, optimizer = self.model.adapter, self.stepper.optimizer
            keep = self.settings.keep_checkpoints
            path = save_checkpoint(self.folder, state, adapter, optimizer, keep=keep)
            self.listener.said("wrote", str(path))
        self.accelerator.wait_for_everyone()

    def _look(self, step: int, board: TensorBoardCurves | None) -> None:
        held_out = self.data.held_out
        if not held_out:
            return
        cache, settings = self.data.cache, self.settings
        validation = Validation(self.accelerator, self.model, cache, held_out, settings)
        loss = validation.loss()
        if board is not None:
            board.add(step, {"loss/held_out": loss})
        self.listener.said("held out", f"loss {loss:.4f} after step {step}")
        if self.settings.samples:
            folder = self.folder / "samples" / f"step-{step:08}"
            validation.write_videos(folder, self.data.files.vae)
            self.listener.said("look at", str(folder))
        self.accelerator.wait_for_everyone()


def _curves(figures: StepFigures, seconds: float) -> dict[str, float]:
    return {
        "loss/training": figures.loss,
        "gradient": figures.gradient,
        "learning_rate": figures.learning_rate,
        "seconds_per_step": seconds,
    }


def _read_ahead(cache: Cache, choices: SampleChoices, numbers: Iterable[int]) -> Generator[Sample]:
    """Read samples, the next one while the one before is worked on."""
    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Future[Sample]] = deque()
        for number in numbers:
            waiting.append(pool.submit(read_sample, cache, choices[number]))
            if len(waiting) > 1:
                yield waiting.popleft().result()
        for read in waiting:
            yield read.result()
