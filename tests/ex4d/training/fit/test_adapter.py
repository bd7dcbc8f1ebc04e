"""What is trained: its names and shapes, and that it has no effect at first."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ex4d.engines.wan.checkpoint import read_checkpoint, split_checkpoint
from ex4d.engines.wan.model import Sizes, WanTransformer
from ex4d.engines.wan.transformer import Transformer
from ex4d.engines.wan.weights import StoredTensor, open_tensors
from ex4d.errors import UsageError, WeightsError
from ex4d.runtime.torchvision_operators import declare_torchvision_operators
from ex4d.training.fit.adapter import make_adapter
from ex4d.training.fit.blocks import TrainingBlocks
from ex4d.training.fit.model import AdapterModel
from tests.ex4d.engines.wan import tiny

from .small import CPU, give_effect, make_base, make_model, make_sample, shapes_of


def test_at_full_size_it_has_the_808_tensors_of_the_released_checkpoint():
    with torch.device("meta"):
        base = WanTransformer(Sizes())
        tensors = make_adapter(shapes_of(base), 16, 0).tensors()
    assert len(tensors) == 808
    assert sum(tensor.numel() for tensor in tensors.values()) == 76_677_120 + 23_109_632
    expected = {
        "blocks.39.self_attn.o.lora_A.default.weight": (16, 5120),
        "blocks.0.cross_attn.k.lora_B.default.weight": (5120, 16),
        "blocks.7.ffn.0.lora_B.default.weight": (13824, 16),
        "blocks.7.ffn.2.lora_A.default.weight": (16, 13824),
        "latent_encoder.0.weight": (1024, 32, 1, 1, 1),
        "latent_encoder.4.bias": (1024,),
        "latent_patch_embedding.weight": (5120, 1024, 1, 2, 2),
        "latent_patch_embedding.bias": (5120,),
    }
    assert {name: tuple(tensors[name].shape) for name in expected} == expected
    stored = {n: StoredTensor(Path("x"), tuple(t.shape), t.clone) for n, t in tensors.items()}
    assert len(split_checkpoint(stored, shapes_of(base)).lora) == 400


def test_peft_which_the_public_code_loads_with_takes_it_to_the_same_effect():
    declare_torchvision_operators()
    from peft import LoraConfig, inject_adapter_in_model

    ours, theirs, given = make_model(rank=16), make_base(), make_sample()
    give_effect(ours.adapter)
    targets = ["q", "k", "v", "o", "ffn.0", "ffn.2"]
    config = LoraConfig(r=16, lora_alpha=16, target_modules=targets)
    injected = inject_adapter_in_model(config, theirs)
    lora = {n: t for n, t in ours.adapter.tensors().items() if "lora" in n}
    missing, unexpected = injected.load_state_dict(lora, strict=False)
    assert unexpected == []
    assert not [name for name in missing if "lora" in name]
    blocks = TrainingBlocks(injected, CPU, n_resident=3)
    plain = AdapterModel(ours.adapter, Transformer(injected, blocks, CPU, 512), CPU)
    torch.testing.assert_close(ours(given), plain(given), rtol=1e-5, atol=1e-6)


def test_its_tensors_are_those_of_a_checkpoint(tmp_path):
    adapter = make_adapter(shapes_of(make_base()), tiny.RANK, 0, hidden=24)
    tensors = adapter.tensors()
    released = tiny.make_checkpoint()
    assert {name: tensor.shape for name, tensor in tensors.items()} == {
        name: tensor.shape for name, tensor in released.items()
    }
    torch.save({name: tensor.detach() for name, tensor in tensors.items()}, tmp_path / "a.ckpt")
    read_checkpoint(tmp_path / "a.ckpt", shapes_of(make_base()))
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}


def test_a_new_adapter_changes_nothing_and_follows_from_its_seed():
    base, given = make_base(), make_sample()
    plain = make_model(base=make_base())
    before = torch.get_rng_state()
    model = make_model(base=base)
    assert torch.equal(before, torch.get_rng_state())
    torch.testing.assert_close(model(given), plain(given), rtol=0, atol=0)
    with torch.no_grad():
        for down in model.adapter.downs:
            down += 1
    torch.testing.assert_close(model(given), plain(given), rtol=0, atol=0)
    geometry = model.conditioning(given.encoded).geometry
    assert not geometry.any()
    first, second = (make_adapter(shapes_of(base), 4, seed).tensors() for seed in (0, 1))
    name = "blocks.0.ffn.0.lora_A.default.weight"
    assert not torch.equal(first[name], second[name])


def test_it_takes_the_values_of_a_checkpoint_with_and_without_pefts_infix(tmp_path):
    adapter = make_adapter(shapes_of(make_base()), tiny.RANK, 0, hidden=24)
    released = tiny.make_checkpoint()
    for name, rename in (("a.ckpt", str), ("b.ckpt", lambda n: n.replace(".default", ""))):
        torch.save({rename(n): t for n, t in released.items()}, tmp_path / name)
        give_effect(adapter)
        adapter.load(tmp_path / name, shapes_of(make_base()))
        for key, tensor in adapter.tensors().items():
            torch.testing.assert_close(tensor.detach(), released[key], rtol=0, atol=0)


def test_a_checkpoint_of_another_rank_or_encoder_is_refused(tmp_path):
    torch.save(tiny.make_checkpoint(), tmp_path / "a.ckpt")
    shapes = shapes_of(make_base())
    with pytest.raises(UsageError, match="has rank 4, and rank 16 was asked for"):
        make_adapter(shapes, 16, 0).load(tmp_path / "a.ckpt", shapes)
    with pytest.raises(WeightsError, match=r"latent_encoder.0.weight .* the adapter needs 1024x"):
        make_adapter(shapes, 4, 0).load(tmp_path / "a.ckpt", shapes)
    assert len(open_tensors([tmp_path / "a.ckpt"])) == 68
