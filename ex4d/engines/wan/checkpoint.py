"""EX-4D's checkpoint: the low-rank changes of the transformer, and the geometry encoder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ex4d.engines.wan.weights import Shapes, StoredTensor, open_tensors
from ex4d.errors import WeightsError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Checkpoint", "LoraPair", "read_checkpoint", "split_checkpoint"]

_ENCODER = re.compile(r"latent_encoder\.[024]\.(weight|bias)|latent_patch_embedding\.(weight|bias)")
# peft writes the adapter's name, "default", into the names; other tools leave it out
_LORA = re.compile(r"(?P<module>.+)\.lora_(?P<side>[AB])(\.default)?\.weight")


@dataclass(frozen=True)
class LoraPair:
    """A low-rank change of one weight: `up @ down` is added to it."""

    down: StoredTensor  # [rank, in]
    up: StoredTensor  # [out, rank]

    @property
    def rank(self) -> int:
        """How many directions it has."""
        return self.down.shape[0]


@dataclass(frozen=True)
class Checkpoint:
    """What `ex4d.ckpt` holds."""

    lora: dict[str, LoraPair]  # by the name of the changed weight
    encoder: dict[str, StoredTensor]


def read_checkpoint(path: Path, transformer: Shapes) -> Checkpoint:
    """Read the checkpoint for a transformer of these shapes. Raises WeightsError."""
    return split_checkpoint(open_tensors([path]), transformer)


def split_checkpoint(tensors: dict[str, StoredTensor], transformer: Shapes) -> Checkpoint:
    """Tell the changes from the encoder. Raises WeightsError for a tensor that is neither, for
    half a pair, and for one that does not fit the transformer."""
    sides: dict[str, dict[str, StoredTensor]] = {}
    encoder = {}
    for name, tensor in tensors.items():
        if _ENCODER.fullmatch(name):
            encoder[name] = tensor
        elif match := _LORA.fullmatch(name):
            sides.setdefault(match["module"], {})[match["side"]] = tensor
        else:
            raise WeightsError(f"{name} in {tensor.path} is no part of an EX-4D checkpoint")
    files = ", ".join(sorted({str(tensor.path) for tensor in tensors.values()}))
    lora = {}
    for module, pair in sides.items():
        for side in "AB":
            if side not in pair:
                raise WeightsError(f"{module}.lora_{side} is missing in {files}")
        lora[f"{module}.weight"] = LoraPair(pair["A"], pair["B"])
    if not lora or not encoder:
        part = "the encoder (latent_encoder.0.weight)" if lora else "the LoRA (blocks.0...lora_A)"
        raise WeightsError(f"{part} is missing in {files}")
    _check_all_blocks(lora, files)
    _check_shapes(lora, encoder, transformer)
    return Checkpoint(lora, encoder)


def _check_all_blocks(lora: dict[str, LoraPair], files: str) -> None:
    """A change that some blocks have, all of them have."""
    found = [re.fullmatch(r"blocks\.(\d+)\.(.+)", name) for name in lora]
    blocks = {int(match[1]) for match in found if match}
    for part in sorted({match[2] for match in found if match}):
        for block in range(max(blocks) + 1):
            if f"blocks.{block}.{part}" not in lora:
                name = part.removesuffix(".weight")
                raise WeightsError(f"blocks.{block}.{name}.lora_A is missing in {files}")


def _check_shapes(
    lora: dict[str, LoraPair], encoder: dict[str, StoredTensor], transformer: Shapes
) -> None:
    n_blocks = 1 + max(
        int(match[1]) for name in transformer if (match := re.match(r"blocks\.(\d+)\.", name))
    )
    named = 1 + max((int(m[1]) for n in lora if (m := re.match(r"blocks\.(\d+)\.", n))), default=-1)
    for name, pair in lora.items():
        module, path = name.removesuffix(".weight"), pair.down.path
        target = transformer.get(name)
        if target is None or len(target) != 2:
            raise WeightsError(f"{module} in {path} is no linear layer of this transformer")
        if pair.down.shape != (pair.rank, target[1]) or pair.up.shape != (target[0], pair.rank):
            raise WeightsError(
                f"{module}.lora_A and lora_B in {path} have the shapes {pair.down.shape} and "
                f"{pair.up.shape}, which do not fit the transformer's {target}"
            )
    if named != n_blocks:
        path = next(iter(lora.values())).down.path
        raise WeightsError(f"{path} changes {named} blocks; this transformer has {n_blocks}")
    embedding, ours = transformer["patch_embedding.weight"], "latent_patch_embedding.weight"
    if ours in encoder:
        shape = encoder[ours].shape
        if shape[0] != embedding[0] or shape[2:] != embedding[2:]:
            raise WeightsError(
                f"{ours} in {encoder[ours].path} has the shape {shape}, which does not fit the "
                f"transformer's patch_embedding.weight {embedding}"
            )
