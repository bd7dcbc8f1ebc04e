"""The step-distilled LoRA: beside the weights it does what it does in them, and leaves no trace."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from ex4d.engines.wan.checkpoint import split_checkpoint
from ex4d.engines.wan.load import load_transformer
from ex4d.engines.wan.memory import MemoryPlan
from ex4d.engines.wan.overlay import Overlay
from ex4d.engines.wan.steps_lora import read_steps_lora
from ex4d.engines.wan.weights import open_tensors, shapes_of
from ex4d.errors import WeightsError
from tests.reference.wan_steps_lora import merged

from . import tiny
from .test_transformer import CPU, conditioning_of, inputs

SETTINGS = {"num_inference_steps": 4, "guidance_scale": 1.0, "steps_lora": True}
Q = "diffusion_model.blocks.1.self_attn.q"


@pytest.fixture(scope="module")
def lora_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("lora") / "steps.safetensors"
    save_file(tiny.make_steps_lora(), path)
    return path


@pytest.fixture(scope="module")
def base_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("base") / "base.safetensors"
    save_file(tiny.make_transformer().state_dict(), path)
    return path


@pytest.fixture(scope="module")
def shapes(base_file):
    return shapes_of(open_tensors([base_file]))


def loaded(path, plan=MemoryPlan(99), lora_mode="fused", device=CPU, precision="bf16"):  # noqa: B008
    """The transformer of a file with EX-4D's adapter, and the file's tensors."""
    tensors = open_tensors([path])
    checkpoint = path.with_name("ex4d.safetensors")
    save_file(tiny.make_checkpoint(), checkpoint)
    lora = split_checkpoint(open_tensors([checkpoint]), shapes_of(tensors)).lora
    transformer = load_transformer(
        tensors, lora, device=device, plan=plan, lora_mode=lora_mode, precision=precision
    )
    return transformer, tensors


def velocity(transformer, device=CPU):
    """Through everything that a LoRA may change: text, image, times, blocks and head."""
    given = {name: tensor.to(device) for name, tensor in inputs().items()}
    texts = [transformer.embed_text(given["context"])]
    time = transformer.embed_time(torch.tensor([833.25]))
    with torch.no_grad():
        conditioning = conditioning_of(transformer, given)
        return transformer.velocities(given["latents"], time, texts, conditioning)[0]


@pytest.fixture(scope="module")
def expected(base_file, tmp_path_factory):
    """A function: the velocity where the LoRA is in the weights themselves."""

    def make(lora, device=CPU):
        path = tmp_path_factory.mktemp("merged") / "merged.safetensors"
        sums = merged(load_file(base_file), lora)
        save_file({name: sum_.float() for name, sum_ in sums.items()}, path)
        return velocity(loaded(path, device=device)[0], device)

    return make


@pytest.mark.parametrize("mode", ["fused", "unfused"])
@pytest.mark.parametrize("n_resident", [0, 1, 99])
def test_beside_the_weights_it_does_what_it_does_in_them(
    base_file, lora_file, expected, mode, n_resident
):
    transformer, tensors = loaded(base_file, MemoryPlan(n_resident), mode)
    before = velocity(transformer)
    overlay = transformer.overlay_of(read_steps_lora(lora_file, shapes_of(tensors)), tensors)
    for _ in range(2):
        with transformer.under(overlay):
            made = velocity(transformer)
        torch.testing.assert_close(made, expected(load_file(lora_file)), rtol=1e-4, atol=2e-6)
        assert (made - before).norm() > 0.02 * before.norm()
        torch.testing.assert_close(velocity(transformer), before, rtol=0, atol=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("plan", [MemoryPlan(99), MemoryPlan(1), MemoryPlan(1, storage="fp8")])
def test_on_a_gpu_it_is_as_near_to_the_merged_weights_as_bfloat16_is(
    base_file, lora_file, expected, plan
):
    device = torch.device("cuda")
    transformer, tensors = loaded(base_file, plan, device=device)
    before = velocity(transformer, device)
    overlay = transformer.overlay_of(read_steps_lora(lora_file, shapes_of(tensors)), tensors)
    with transformer.under(overlay):
        made = velocity(transformer, device)
    right = expected(load_file(lora_file), device)
    error = (made - right).norm() / right.norm()
    print(f"\n{plan}: {error:.2e}")
    assert error < (0.1 if plan.storage == "fp8" else 2e-2)
    assert (made - right).norm() < 0.3 * (before - right).norm()
    torch.testing.assert_close(velocity(transformer, device), before, rtol=0, atol=0)


@pytest.mark.parametrize("precision", ["fp8-ffn", "fp8", "fp8-all"])
def test_beside_weights_in_fp8_it_is_not_forgotten(base_file, lora_file, expected, precision):
    transformer, tensors = loaded(base_file, MemoryPlan(1), precision=precision)
    before = velocity(transformer)
    overlay = transformer.overlay_of(read_steps_lora(lora_file, shapes_of(tensors)), tensors)
    only_pairs = Overlay(overlay.changes, {}, {})
    right, plain = expected(load_file(lora_file)), velocity(loaded(base_file)[0])
    with transformer.under(overlay):
        error = (velocity(transformer) - right).norm() / (plain - right).norm()
    with transformer.under(only_pairs):
        moved = (velocity(transformer) - before).norm() / before.norm()
    print(f"\n{precision}: {error:.3f} of its effect, pairs alone move {moved:.3f}")
    assert error < 0.3
    assert moved > 0.01
    torch.testing.assert_close(velocity(transformer), before, rtol=0, atol=0)


def test_every_part_that_is_changed_counts(base_file, lora_file):
    """Each by itself changes the velocity; those of one block, and those around the blocks."""
    transformer, tensors = loaded(base_file)
    before = velocity(transformer)
    whole = transformer.overlay_of(read_steps_lora(lora_file, shapes_of(tensors)), tensors)
    inside = [Overlay({}, {0: {name: value}}, {}) for name, value in whole.in_blocks[0].items()]
    around = [Overlay({}, {}, {name: value}) for name, value in whole.around.items()]
    matrices = {n: change for n, change in whole.changes.items() if n.startswith("blocks.0.")}
    beside = [Overlay({name: change}, {}, {}) for name, change in matrices.items()]
    assert (len(beside), len(inside), len(around)) == (12, 19, 23)
    for part in [*beside, *inside, *around]:
        with transformer.under(part):
            assert not torch.equal(velocity(transformer), before), part


def test_the_names_of_other_tools_and_alpha_mean_the_same(lora_file, shapes, tmp_path):
    ours, path = tiny.make_steps_lora(), tmp_path / "other.safetensors"
    renamed = {
        name.removeprefix("diffusion_model.")
        .replace("lora_down", "lora_A")
        .replace("lora_up", "lora_B"): tensor
        for name, tensor in ours.items()
    }
    renamed["blocks.0.self_attn.q.alpha"] = torch.tensor(float(2 * tiny.RANK))
    save_file(renamed, path)
    one, other = read_steps_lora(lora_file, shapes), read_steps_lora(path, shapes)
    assert one.pairs.keys() == other.pairs.keys()
    assert one.differences.keys() == other.differences.keys()
    assert set(one.scales.values()) == {1.0}
    q = "blocks.0.self_attn.q.weight"
    assert other.scales == {**one.scales, q: 2.0}


def without(name):
    return lambda tensors: [tensors.pop(key) for key in list(tensors) if name in key]


def halved(name):
    return lambda tensors: tensors.update({name: tensors[name][: len(tensors[name]) // 2]})


def narrow(tensors):
    """As for the model of 1.3 billion weights: the same parts, all of them narrower."""
    for key, tensor in tensors.items():
        sides = [side // 2 if side == tiny.DIM else side for side in tensor.shape]
        tensors[key] = torch.zeros(sides)


BROKEN = {
    "unknown": (lambda t: t.update(extra=torch.ones(1)), "extra in .* is no part of"),
    "ex4d": (
        lambda t: t.update({"latent_encoder.0.weight": torch.ones(1)}),
        "latent_encoder.0.weight in .* is no part of",
    ),
    "half a pair": (
        lambda t: t.pop(f"{Q}.lora_up.weight"),
        "blocks.1.self_attn.q.lora_up is missing",
    ),
    "twice": (
        lambda t: t.update({f"{Q}.lora_B.weight": t[f"{Q}.lora_up.weight"].clone()}),
        r"blocks.1.self_attn.q.lora_up in .* is there twice",
    ),
    "no rank": (
        lambda t: t.update({f"{Q}.lora_down.weight": torch.zeros(0, tiny.DIM)}),
        "lora_down in .* is no matrix",
    ),
    "a number": (
        lambda t: t.update({f"{Q}.lora_up.weight": torch.tensor(1.0)}),
        "lora_up in .* is no matrix",
    ),
    "alpha alone": (
        lambda t: t.update({"blocks.0.ffn.1.alpha": torch.tensor(1.0)}),
        "blocks.0.ffn.1.lora_down is missing",
    ),
    "alphas": (lambda t: t.update({f"{Q}.alpha": torch.ones(2)}), "is no single number"),
    "no such part": (
        lambda t: t.update({"blocks.0.norm9.diff": torch.ones(4)}),
        "another model: blocks.0.norm9.weight is no part of",
    ),
    "shape": (
        halved(f"{Q}.lora_up.weight"),
        "another model: blocks.1.self_attn.q.weight is 128x128",
    ),
    "shape of a difference": (
        halved("diffusion_model.blocks.0.norm3.diff"),
        "another model: blocks.0.norm3.weight is 128, its change 64",
    ),
    "1.3B": (narrow, "another model: .* is "),
    "text to video": (without("_img"), r"another model: it leaves .*k_img.* \(text to video\?\)"),
    "fewer blocks": (without("blocks.2."), "another model: it changes 2 blocks of 3"),
    "whole matrices": (
        lambda t: t.update({f"{Q}.diff": torch.zeros(tiny.DIM, tiny.DIM)}),
        "is a whole matrix, and no LoRA",
    ),
    "nothing": (lambda t: [t.pop(key) for key in list(t)[1:]], "is missing|another model"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_step_distilled_lora_for_this_model_is_refused(tmp_path, shapes, case):
    break_, message = BROKEN[case]
    tensors = tiny.make_steps_lora()
    break_(tensors)
    save_file(
        {name: tensor.contiguous() for name, tensor in tensors.items()}, tmp_path / "l.safetensors"
    )
    with pytest.raises(WeightsError, match=message) as raised:
        read_steps_lora(tmp_path / "l.safetensors", shapes)
    assert "\n" not in str(raised.value)


def test_what_is_not_finite_is_refused(tmp_path, base_file):
    tensors = tiny.make_steps_lora()
    tensors["diffusion_model.head.diff_m"][0, 1, 5] = float("inf")
    save_file(tensors, tmp_path / "l.safetensors")
    transformer, stored = loaded(base_file)
    lora = read_steps_lora(tmp_path / "l.safetensors", shapes_of(stored))
    with pytest.raises(WeightsError, match=r"l\.safetensors holds what is not finite"):
        transformer.overlay_of(lora, stored)
