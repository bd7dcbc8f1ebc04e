"""Noise levels, how much each counts, and the loss: flow matching as diffsynth's trainer has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ex4d.engines.base import GenerateSettings
from ex4d.engines.wan.sampling import noise_levels

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["N_LEVELS", "Schedule", "flow_matching_loss", "training_schedule"]

N_LEVELS = 1000


@dataclass(frozen=True)
class Schedule:
    """The noise levels that training draws from, each with the same chance."""

    levels: Tensor  # float32 [1000], from 1 towards 0; the timestep is 1000 times that
    weights: Tensor  # float32 [1000]; their mean is 1


def training_schedule() -> Schedule:
    """The levels of 1000 inference steps. Those in the middle count most: a bell over the timestep
    with its lowest value taken off (diffsynth's FlowMatchScheduler.set_training_weight)."""
    levels = noise_levels(N_LEVELS, GenerateSettings().shift)
    bell = torch.exp(-2 * ((1000 * levels - 500) / 1000) ** 2)
    above = bell - bell.min()
    return Schedule(levels, above * (N_LEVELS / above.sum()))


def flow_matching_loss(velocity: Tensor, video: Tensor, noise: Tensor, weight: Tensor) -> Tensor:
    """How far a predicted velocity is from that which leads from the video to the noise."""
    return weight * torch.nn.functional.mse_loss(velocity.float(), noise - video)
