"""The loss against diffsynth's own, on the same tensors."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from ex4d.engines.wan.diffsynth import import_diffsynth
from ex4d.engines.wan.encoding import first_frame_conditioning
from ex4d.training.fit.model import Sample
from ex4d.training.fit.schedule import training_schedule
from tests.ex4d.engines.wan import tiny

from .small import CPU, give_effect, make_model, make_sample


@pytest.fixture(scope="module")
def scheduler():
    scheduler = import_diffsynth("diffusion.flow_match").FlowMatchScheduler("Wan")
    scheduler.set_timesteps(1000, training=True)
    return scheduler


def test_levels_and_weights_are_those_of_diffsynths_training(scheduler):
    ours = training_schedule()
    torch.testing.assert_close(ours.levels, scheduler.sigmas, rtol=0, atol=0)
    torch.testing.assert_close(1000 * ours.levels, scheduler.timesteps, rtol=0, atol=0)
    torch.testing.assert_close(ours.weights, scheduler.linear_timesteps_weights, rtol=0, atol=0)


def changed_public_model(adapter):
    """diffsynth's model, whose layers add the adapter's changes to their outputs."""
    model, tensors = tiny.make_public_transformer().eval().requires_grad_(False), adapter.tensors()
    for name in [n.removesuffix(".lora_A.default.weight") for n in tensors if ".lora_A." in n]:
        down, up = (tensors[f"{name}.lora_{part}.default.weight"] for part in "AB")

        def add(layer, given, output, down=down, up=up):
            return output + 16 / len(down) * given[0] @ down.T @ up.T

        model.get_submodule(name).register_forward_hook(add)
    return model


def diffsynths_loss(scheduler, base, adapter, sample):
    """FlowMatchSFTLoss on a stand-in for the pipeline; it draws the level and the noise itself."""
    encoded = sample.encoded
    geometry = adapter.encoder(encoded.color, encoded.mask)
    context = torch.nn.functional.pad(sample.text, (0, 0, 0, 512 - len(sample.text)))[None]
    pipe = SimpleNamespace(
        scheduler=scheduler, torch_dtype=torch.float32, device=CPU, dit=base,
        in_iteration_models=("dit",),
        model_fn=import_diffsynth("pipelines.wan_video").model_fn_wan_video,
    )  # fmt: skip
    hook = base.patch_embedding.register_forward_hook(lambda *given: given[2] + geometry)
    loss = import_diffsynth("diffusion.loss").FlowMatchSFTLoss(
        pipe, input_latents=encoded.video, context=context, clip_feature=encoded.features,
        y=first_frame_conditioning(encoded.first),
    )  # fmt: skip
    hook.remove()
    return loss


@pytest.mark.parametrize("seed", range(3))
def test_loss_and_gradients_are_those_of_diffsynths_trainer(scheduler, seed):
    given, model = make_sample(seed), make_model()
    give_effect(model.adapter)
    public = changed_public_model(model.adapter)
    torch.manual_seed(seed)
    level = int(torch.randint(0, 1000, (1,)))
    noise = torch.randn_like(given.encoded.video)
    ours = model(Sample(given.encoded, given.text, level, noise))
    ours.backward()
    gradients = [p.grad.clone() for p in model.adapter.parameters()]
    model.zero_grad()
    torch.manual_seed(seed)
    theirs = diffsynths_loss(scheduler, public, model.adapter, given)
    theirs.backward()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    assert len(gradients) == 2 * tiny.LAYERS * len(tiny.LORA_TARGETS) + 8
    for one, parameter in zip(gradients, model.adapter.parameters(), strict=True):
        assert one.any()
        torch.testing.assert_close(one, parameter.grad, rtol=1e-4, atol=1e-7)
