"""The step-distilled LoRA: a file of changes with which the transformer needs four steps and no
guidance.

lightx2v's public file for Wan2.1-I2V-14B-480P, and others written alike, name what they change as
the transformer does, behind `diffusion_model.`, and hold for a part NAME of it

    NAME.lora_down.weight, NAME.lora_up.weight   or lora_A, lora_B: up @ down is added to the
                                                 weight, times alpha / rank if there is NAME.alpha
    NAME.diff, NAME.diff_b, NAME.diff_m          added to the weight, bias, modulation as they are

What did not change is not in the file. Its steps are at the timesteps 1000, 937.5, 833.3 and 625:
four even ones under a shift of 5, as `sampling.noise_levels` has them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ex4d.engines.wan.checkpoint import LoraPair
from ex4d.engines.wan.weights import open_tensors
from ex4d.errors import WeightsError

if TYPE_CHECKING:
    from pathlib import Path

    from ex4d.engines.wan.weights import Shapes, StoredTensor

__all__ = ["StepsLora", "read_steps_lora"]

_PREFIX = "diffusion_model."
_SIDE = re.compile(r"(?P<part>.+)\.lora_(?P<side>down|up|A|B)(\.default)?\.weight")
_SIDES = {"down": "down", "A": "down", "up": "up", "B": "up"}
_OTHER = re.compile(r"(?P<part>.+)\.(?P<kind>alpha|diff|diff_b|diff_m)")
_CHANGED = {"diff": "weight", "diff_b": "bias", "diff_m": "modulation"}
_BLOCK = re.compile(r"blocks\.(\d+)\.(.+)")
_OF_IMAGES = "cross_attn.k_img.weight"  # a part that transformers for text to video lack


@dataclass(frozen=True)
class StepsLora:
    """What is added to which weight of the transformer, by the weight's name."""

    path: Path
    pairs: dict[str, LoraPair]
    scales: dict[str, float]  # of the pairs
    differences: dict[str, StoredTensor]


def read_steps_lora(path: Path, transformer: Shapes) -> StepsLora:
    """Read what a file holds for a transformer of these shapes; values are read when they are asked
    for. Raises WeightsError for a name that is not known, half a pair, a shape that does not fit,
    and a LoRA for another model."""
    sides: dict[str, dict[str, StoredTensor]] = {}
    alphas, differences = {}, {}
    for name, tensor in open_tensors([path]).items():
        own = name.removeprefix(_PREFIX)
        if match := _SIDE.fullmatch(own):
            pair, side = sides.setdefault(match["part"], {}), _SIDES[match["side"]]
            if side in pair or len(tensor.shape) != 2 or not all(tensor.shape):
                what = "is there twice" if side in pair else "is no matrix"
                raise WeightsError(f"{match['part']}.lora_{side} in {path} {what}")
            pair[side] = tensor
        elif not (match := _OTHER.fullmatch(own)):
            raise WeightsError(f"{name} in {path} is no part of a step-distilled LoRA")
        elif match["kind"] == "alpha":
            alphas[match["part"]] = _number(name, tensor)
        else:
            differences[f"{match['part']}.{_CHANGED[match['kind']]}"] = tensor
    for part in sides.keys() | alphas.keys():
        for side in ("down", "up"):
            if side not in sides.get(part, {}):
                raise WeightsError(f"{part}.lora_{side} is missing in {path}")
    pairs = {f"{part}.weight": LoraPair(pair["down"], pair["up"]) for part, pair in sides.items()}
    lora = StepsLora(
        path,
        pairs,
        {name: alphas.get(name[: -len(".weight")], pair.rank) / pair.rank
         for name, pair in pairs.items()},
        differences,
    )  # fmt: skip
    _check(lora, transformer)
    return lora


def _number(name: str, tensor: StoredTensor) -> float:
    if tensor.shape not in ((), (1,)):
        raise WeightsError(f"{name} in {tensor.path} is no single number")
    return float(tensor.load())


def _check(lora: StepsLora, transformer: Shapes) -> None:
    """Everything that is changed is there and has the shape; and the LoRA is for this model."""
    for name, pair in lora.pairs.items():
        target, shapes = transformer.get(name), (pair.down.shape, pair.up.shape)
        if target is None:
            raise _other_model(lora, f"{name} is no part of Wan2.1-I2V-14B-480P")
        if len(target) != 2 or shapes != ((pair.rank, target[1]), (target[0], pair.rank)):
            shown = f"{_shown(shapes[0])} and {_shown(shapes[1])}"
            raise _other_model(lora, f"{name} is {_shown(target)}, its change {shown}")
    for name, tensor in lora.differences.items():
        if name not in transformer:
            raise _other_model(lora, f"{name} is no part of Wan2.1-I2V-14B-480P")
        if tensor.shape != tuple(transformer[name]):
            shown = f"{_shown(transformer[name])}, its change {_shown(tensor.shape)}"
            raise _other_model(lora, f"{name} is {shown}")
        if name.startswith("blocks.") and len(tensor.shape) == 2:
            raise WeightsError(
                f"the change of {name} in {lora.path} is a whole matrix, and no LoRA"
            )
    changed = [match for name in lora.pairs if (match := _BLOCK.fullmatch(name))]
    n_blocks = 1 + max(int(m[1]) for name in transformer if (m := _BLOCK.fullmatch(name)))
    if {int(match[1]) for match in changed if match[2] == _OF_IMAGES} != set(range(n_blocks)):
        n_changed = len({match[1] for match in changed})
        if n_changed == n_blocks:
            raise _other_model(lora, f"it leaves blocks.0.{_OF_IMAGES} as it is (text to video?)")
        raise _other_model(lora, f"it changes {n_changed} blocks of {n_blocks}")


def _other_model(lora: StepsLora, why: str) -> WeightsError:
    return WeightsError(f"{lora.path} is a LoRA for another model: {why}")


def _shown(shape: tuple[int, ...]) -> str:
    return "x".join(str(side) for side in shape)
