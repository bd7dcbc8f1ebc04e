"""A step of the optimiser."""

from __future__ import annotations

import pytest
import torch

from ex4d.errors import UsageError
from ex4d.training.fit.settings import TrainSettings
from ex4d.training.fit.steps import Stepper, TrainingError, make_accelerator

from .small import make_model, make_sample

FAST = {"batch_size": 2, "learning_rate": 1e-2, "warmup_steps": 0}


def make_stepper(model, **changes):
    return Stepper(make_accelerator(), model, TrainSettings(**{**FAST, **changes}))


def test_the_loss_on_a_fixed_batch_falls_by_half_and_the_geometry_has_a_part_in_it():
    model, batch = make_model(), [make_sample(0), make_sample(1)]
    stepper = make_stepper(model)
    losses = [stepper.step(step, batch).loss for step in range(40)]
    assert losses[-1] < losses[0] / 2
    with torch.no_grad():
        trained = [float(model(sample)) for sample in batch]
        for parameter in model.adapter.encoder.parameters():
            parameter.zero_()
        without = [float(model(sample)) for sample in batch]
    assert sum(without) > 1.2 * sum(trained)


def test_samples_of_a_step_count_alike_and_gradients_are_their_mean():
    batch = [make_sample(n) for n in range(4)]
    models = make_model(), make_model()
    together = make_stepper(models[0], batch_size=4, learning_rate=0, weight_decay=0)
    figures = together.step(0, batch)
    alone = [models[1](sample).item() for sample in batch]
    assert figures.loss == pytest.approx(sum(alone) / 4, rel=1e-6)
    sum(models[1](sample) / 4 for sample in batch).backward()
    length = torch.nn.utils.clip_grad_norm_(models[1].parameters(), 1e9)
    assert figures.gradient == pytest.approx(float(length), rel=1e-4)


def test_the_learning_rate_rises_and_stays():
    stepper = make_stepper(make_model(), batch_size=1, warmup_steps=4, learning_rate=1e-3)
    rates = [stepper.step(step, [make_sample()]).learning_rate for step in range(6)]
    assert rates == pytest.approx([2.5e-4, 5e-4, 7.5e-4, 1e-3, 1e-3, 1e-3])


def test_a_loss_that_is_not_finite_stops_and_changes_nothing():
    model, broken = make_model(), make_sample()
    stepper = make_stepper(model, batch_size=1)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    broken.noise[0, 0, 0, 0, 0] = torch.inf
    with pytest.raises(TrainingError, match=r"in step 3 the loss is (nan|inf)"):
        stepper.step(2, [broken])
    for one, parameter in zip(before, model.parameters(), strict=True):
        torch.testing.assert_close(one, parameter.detach(), rtol=0, atol=0)


def test_a_batch_that_the_processes_cannot_share_is_refused():
    class Three:
        num_processes = 3

    with pytest.raises(UsageError, match="batch_size is 2; with 3 GPUs it must be a multiple of 3"):
        Stepper(Three(), make_model(), TrainSettings(**FAST))
