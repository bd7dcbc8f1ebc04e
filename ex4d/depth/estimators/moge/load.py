"""MoGe-2's published checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ex4d.depth.estimators.moge.estimator import Moge
from ex4d.depth.estimators.moge.network import MogeNetwork
from ex4d.errors import WeightsError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load"]

_UNUSED = "normal_head."
_BACKBONE = "encoder.backbone."


def load(folders: list[Path], device: torch.device) -> Moge:
    """Load `model.pt`: the network's settings and its weights. Raises WeightsError."""
    path = folders[0] / "model.pt"
    if not path.is_file():
        raise WeightsError(f"there is no file {path}")
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        settings, tensors = dict(stored["model_config"]), dict(stored["model"])
    except Exception as error:  # of a dozen types, for a file that is damaged or another's
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(f"{path} cannot be loaded ({reason})") from None
    network = _network(path, settings, tensors)
    tensors = {n: tensor for n, tensor in tensors.items() if not n.startswith(_UNUSED)}
    expected = network.state_dict()
    for name in expected.keys() | tensors.keys():
        _check(path, name, expected.get(name), tensors.get(name))
    network.load_state_dict(tensors)
    return Moge(network.to(device).eval().requires_grad_(False), device)


def _network(path: Path, settings: dict[str, Any], tensors: dict[str, torch.Tensor]) -> MogeNetwork:
    """A network of the size that the tensors have."""
    try:
        width = tensors[f"{_BACKBONE}cls_token"].shape[-1]
        blocks = {n.split(".")[3] for n in tensors if n.startswith(f"{_BACKBONE}blocks.")}
        return MogeNetwork(settings, width, len(blocks))
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError) as error:
        raise WeightsError(f"{path} is not that of MoGe-2 ({error!r})") from None


def _check(
    path: Path, name: str, expected: torch.Tensor | None, given: torch.Tensor | None
) -> None:
    """Raise WeightsError for a tensor that is missing, unexpected or of another shape."""
    if given is None:
        raise WeightsError(f"{name} is missing in {path}")
    if expected is None:
        raise WeightsError(f"{name} in {path} is no part of MoGe-2")
    if given.shape != expected.shape:
        shapes = f"{list(given.shape)}; {list(expected.shape)} is needed"
        raise WeightsError(f"{name} in {path} has the shape {shapes}")
