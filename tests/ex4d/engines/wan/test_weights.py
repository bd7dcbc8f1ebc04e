"""Files of weights: whatever is wrong with them is said in one sentence."""

from __future__ import annotations

import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from ex4d.engines.base import EngineOptions
from ex4d.engines.wan.checkpoint import read_checkpoint
from ex4d.engines.wan.engine import load_from_files
from ex4d.engines.wan.weights import check_names, open_tensors, shapes_of
from ex4d.errors import WeightsError

from . import tiny

LORA = "blocks.1.self_attn.q.lora_A.default.weight"


@pytest.fixture(scope="module")
def transformer():
    """The shapes of its parameters."""
    return {n: tuple(p.shape) for n, p in tiny.make_transformer().state_dict().items()}


def written(path, tensors):
    save = save_file if path.suffix == ".safetensors" else torch.save
    save(tensors, path)
    return path


@pytest.mark.parametrize("name", ["ex4d.ckpt", "ex4d.safetensors"])
def test_a_checkpoint_is_told_apart_whatever_its_format(tmp_path, transformer, name):
    path = written(tmp_path / name, tiny.make_checkpoint())
    checkpoint = read_checkpoint(path, transformer)
    assert len(checkpoint.lora) == 10 * tiny.LAYERS
    assert len(checkpoint.encoder) == 8
    assert {pair.rank for pair in checkpoint.lora.values()} == {tiny.RANK}


def changed(change):
    tensors = tiny.make_checkpoint()
    change(tensors)
    return tensors


BROKEN = {
    "half a pair": (lambda t: t.pop(LORA), "blocks.1.self_attn.q.lora_A is missing"),
    "a layer less": (
        lambda t: [t.pop(LORA), t.pop(LORA.replace("_A", "_B"))],
        "blocks.1.self_attn.q.lora_A is missing",
    ),
    "unknown": (lambda t: t.update(extra=torch.ones(1)), "extra in .* is no part of"),
    "no such layer": (
        lambda t: t.update({LORA.replace("q", "qq"): t[LORA],
                            LORA.replace("q", "qq").replace("_A", "_B"): t[LORA]}),
        "blocks.0.self_attn.qq.lora_A is missing",
    ),
    "wrong shape": (lambda t: t.update({LORA: t[LORA][:, 1:]}), "do not fit"),
    "no encoder": (
        lambda t: [t.pop(n) for n in list(t) if n.startswith("latent")],
        "latent_encoder.0.weight.* is missing",
    ),
    "no lora": (lambda t: [t.pop(n) for n in list(t) if "lora" in n], "LoRA .* is missing"),
    "other blocks": (
        lambda t: [t.pop(n) for n in list(t) if n.startswith("blocks.2.")],
        "changes 2 blocks; this transformer has 3",
    ),
    "other width": (
        lambda t: t.update({"latent_patch_embedding.weight": torch.ones(64, 24, 1, 2, 2)}),
        "does not fit the transformer's patch_embedding.weight",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_a_checkpoint_that_does_not_fit_is_refused_by_name(tmp_path, transformer, kind):
    change, message = BROKEN[kind]
    path = written(tmp_path / "ex4d.ckpt", changed(change))
    with pytest.raises(WeightsError, match=message) as raised:
        read_checkpoint(path, transformer)
    assert "ex4d.ckpt" in str(raised.value)


class Evil:
    """Would run code if it were unpickled."""

    def __reduce__(self):
        return (print, ("code from a checkpoint has run",))


def test_a_checkpoint_that_holds_code_is_refused(tmp_path, capsys):
    path = tmp_path / "ex4d.ckpt"
    path.write_bytes(pickle.dumps({"a": Evil()}))
    with pytest.raises(WeightsError, match=r"ex4d\.ckpt is not a readable file"):
        open_tensors([path])
    assert "has run" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights", None])
def test_a_damaged_file_is_refused(tmp_path, name, content):
    path = written(tmp_path / name, {"a": torch.randn(100)})
    path.write_bytes(path.read_bytes()[:-50] if content is None else content)
    with pytest.raises(WeightsError, match=rf"{name} is not a readable file of weights"):
        open_tensors([path])


def test_tensors_stored_twice_or_in_no_file_are_refused(tmp_path):
    one = written(tmp_path / "one.safetensors", {"a": torch.ones(1)})
    two = written(tmp_path / "two.safetensors", {"a": torch.ones(1)})
    with pytest.raises(WeightsError, match=r"a is in .*one\.safetensors and in .*two"):
        open_tensors([one, two])
    with pytest.raises(WeightsError, match="there is no file"):
        open_tensors([tmp_path / "three.safetensors"])


def test_names_and_shapes_must_be_those_of_the_model(tmp_path):
    stored = open_tensors([written(tmp_path / "a.pth", {"a": torch.ones(2, 3)})])
    assert shapes_of(stored) == {"a": (2, 3)}
    check_names(stored, {"a": (2, 3)}, "it")
    with pytest.raises(WeightsError, match=r"a in .*a\.pth has the shape 2x3; it needs 3x2"):
        check_names(stored, {"a": (3, 2)}, "it")
    with pytest.raises(WeightsError, match=r"b of it is missing in .*a\.pth"):
        check_names(stored, {"a": (2, 3), "b": (1,)}, "it")
    with pytest.raises(WeightsError, match=r"a in .*a\.pth is no part of it"):
        check_names(stored, {}, "it")


WAN = "Wan2.1-I2V-14B-480P"
SHARD = f"{WAN}/diffusion_pytorch_model-00002-of-00002.safetensors"
MISFITS = {
    SHARD: "blocks.0.",
    f"{WAN}/Wan2.1_VAE.pth": "of the VAE is missing",
    f"{WAN}/models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth": "the image encoder",
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_model_without_one_of_its_tensors_is_refused(models, tmp_path, name):
    copy = shutil.copytree(models, tmp_path / "models")
    path = copy / name
    tensors = load_file(path) if path.suffix == ".safetensors" else torch.load(path)
    lost = sorted(n for n in tensors if n.endswith("bias") and "textual" not in n)[0]
    tensors.pop(lost)
    written(path, tensors)
    with pytest.raises(WeightsError, match=MISFITS[name]) as raised:
        load_from_files(EngineOptions(copy))
    assert path.name in str(raised.value)


def test_weights_that_are_not_finite_are_refused(models, tmp_path):
    copy = shutil.copytree(models, tmp_path / "models")
    tensors = load_file(copy / SHARD)
    name = next(iter(tensors))
    tensors[name].view(-1)[0] = float("nan")
    save_file(tensors, copy / SHARD)
    with pytest.raises(WeightsError, match=f"{name} in .* is not finite"):
        load_from_files(EngineOptions(copy))
