"""One step of the optimiser, over any number of processes."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ex4d.errors import Ex4dError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from ex4d.training.fit.model import AdapterModel, Sample
    from ex4d.training.fit.settings import TrainSettings

__all__ = ["StepFigures", "Stepper", "TrainingError", "make_accelerator"]


class TrainingError(Ex4dError):
    """A run cannot go on."""


@dataclass(frozen=True)
class StepFigures:
    """What a step tells."""

    loss: float  # mean of all samples, on all GPUs
    gradient: float  # its length, before it was shortened
    learning_rate: float


def make_accelerator() -> Any:
    """Join the processes that torchrun or `accelerate launch` started, or be the only one.

    Raises UsageError where accelerate was told to split or round the model: see `--shard`.
    """
    from accelerate import Accelerator, DistributedDataParallelKwargs
    from accelerate.utils import DistributedType

    ddp = DistributedDataParallelKwargs(gradient_as_bucket_view=True)
    is_cpu = not torch.cuda.is_available()  # accelerate joins CPU processes only when told so
    accelerator = Accelerator(mixed_precision="no", cpu=is_cpu, kwargs_handlers=[ddp])
    known = (DistributedType.NO, DistributedType.MULTI_GPU, DistributedType.MULTI_CPU)
    if accelerator.distributed_type not in known:
        raise UsageError(
            f"accelerate was set up for {accelerator.distributed_type.value}: launch with "
            "its plain --multi_gpu, and give --shard to split the frozen weights over the GPUs"
        )
    return accelerator


class Stepper:
    """The model, spread over the processes, and its AdamW."""

    def __init__(self, accelerator: Any, model: AdapterModel, settings: TrainSettings) -> None:
        n_processes = accelerator.num_processes
        if settings.batch_size % n_processes:
            raise UsageError(
                f"batch_size is {settings.batch_size}; with {n_processes} GPUs it must be a "
                f"multiple of {n_processes}"
            )
        self._accelerator = accelerator
        self._model: nn.Module = accelerator.prepare(model)
        self._settings = settings
        self._parameters = list(model.parameters())
        self.optimizer = torch.optim.AdamW(
            self._parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.n_samples = settings.batch_size // n_processes  # of this process in each step

    def numbers(self, step: int) -> list[int]:
        """The numbers of this process's samples in a step; the steps count from 0."""
        count, rank = self._accelerator.num_processes, self._accelerator.process_index
        first = step * self._settings.batch_size + rank
        return [first + count * part for part in range(self.n_samples)]

    def step(self, step: int, samples: Iterable[Sample]) -> StepFigures:
        """Go one step with this process's samples. Raises TrainingError when the loss or the
        gradient is not finite; the weights are as before then."""
        total = torch.zeros((), device=self._accelerator.device)
        for part, sample in enumerate(samples, start=1):
            is_last = part == self.n_samples
            with contextlib.nullcontext() if is_last else self._accelerator.no_sync(self._model):
                loss = self._model(sample) / self.n_samples
                self._accelerator.backward(loss)
            total += loss.detach()
        gradient = torch.nn.utils.clip_grad_norm_(self._parameters, self._settings.max_grad_norm)
        mean = float(self._accelerator.reduce(total, "mean"))
        if not (math.isfinite(mean) and math.isfinite(float(gradient))):
            raise TrainingError(
                f"in step {step + 1} the loss is {mean} and its gradient {float(gradient)}: lower "
                "the learning rate, and go on from the last checkpoint"
            )
        rate = self._learning_rate(step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return StepFigures(mean, float(gradient), rate)

    def _learning_rate(self, step: int) -> float:
        rise = min(1.0, (step + 1) / max(1, self._settings.warmup_steps))
        return self._settings.learning_rate * rise
