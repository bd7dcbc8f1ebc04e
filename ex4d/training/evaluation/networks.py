"""LPIPS, FID and FVD by networks whose weights the user has; nothing is ever downloaded.

| metric | weights | licence, as their authors state it |
|---|---|---|
| LPIPS | `alexnet-owt-7be5be79.pth` of torchvision, and `alex.pth` (v0.1) of LPIPS | BSD-3, BSD-2 |
| FID | `pt_inception-2015-12-05-6726825d.pth` of pytorch-fid | Apache-2.0 |
| FVD | `i3d_torchscript.pt` of StyleGAN-V: DeepMind's I3D, trained on Kinetics-400 | Apache-2.0 |
"""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import avg_pool2d, conv2d, interpolate, max_pool2d

from ex4d.engines.wan.weights import assign, check_names, open_tensors, with_names
from ex4d.errors import WeightsError
from ex4d.runtime.torchvision_operators import import_torchvision

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from torch import Tensor

__all__ = ["InceptionFeatures", "Lpips", "VideoFeatures", "frechet_distance"]

_AT_ONCE = 16  # frames
_STAGES = (0, 2, 5, 8, 10, 12)  # where AlexNet's five stages begin, and the last one ends
_CHANNELS = (64, 192, 384, 256, 256)
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_INCEPTION_PX, _I3D_PX = 299, 224


class Lpips:
    """How different two pictures look, 0 for the same one (Zhang et al. 2018: v0.1, AlexNet)."""

    def __init__(self, alexnet: Path, heads: Path, device: torch.device) -> None:
        layers = import_torchvision("models").alexnet(weights=None).features
        stored = with_names(open_tensors([alexnet]), _of_features)
        assign(layers, stored, "AlexNet", torch.float32, device=device)
        self._stages = [layers[a:b] for a, b in pairwise(_STAGES)]
        stored = open_tensors([heads])
        shapes = {f"lin{n}.model.1.weight": (1, size, 1, 1) for n, size in enumerate(_CHANNELS)}
        check_names(stored, shapes, "LPIPS's heads")
        self._heads = [stored[name].load().to(device, torch.float32) for name in shapes]
        self._device = device

    @torch.no_grad()
    def compare(self, result: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Compare frames uint8 [T, H, W, 3] one by one: float64 [T]."""
        distances = []
        for frame in range(len(result)):
            one, other = (self._scaled(video[frame : frame + 1]) for video in (result, truth))
            distance = torch.zeros((), device=self._device)
            for stage, head in zip(self._stages, self._heads, strict=True):
                one, other = stage(one), stage(other)
                distance += conv2d((_unit(one) - _unit(other)) ** 2, head).mean()
            distances.append(distance)
        values: np.ndarray = torch.stack(distances).double().cpu().numpy()
        return values

    def _scaled(self, frames: np.ndarray) -> Tensor:
        values = (torch.tensor(v, device=self._device).view(3, 1, 1) for v in (_SHIFT, _SCALE))
        shift, scale = values
        return (_from_minus_1_to_1(frames, self._device) - shift) / scale


class InceptionFeatures:
    """Features of frames, by the network that FID is defined with: torchvision's Inception v3, but
    with TensorFlow's pooling: padding does not count in a mean, and the last block takes the
    maximum instead."""

    def __init__(self, weights: Path, device: torch.device) -> None:
        network = import_torchvision("models.inception").Inception3(
            num_classes=1008, aux_logits=False, init_weights=False
        )
        for module in network.modules():
            if hasattr(module, "num_batches_tracked"):
                module.num_batches_tracked = None  # counts that only training needs
            if hasattr(module, "branch_pool") and module is not network.Mixed_7c:
                module.branch_pool.register_forward_pre_hook(_without_padding)
        _pool_by_maximum(network.Mixed_7c)
        stored = with_names(open_tensors([weights]), _not_a_count)
        assign(network, stored, "the Inception network", torch.float32, device=device)
        network.fc = torch.nn.Identity()
        self._network, self._device = network, device

    @torch.no_grad()
    def of(self, frames: np.ndarray) -> Tensor:
        """Return features float64 [T, 2048] of frames uint8 [T, H, W, 3], on the CPU."""
        parts = []
        for start in range(0, len(frames), _AT_ONCE):
            values = _from_minus_1_to_1(frames[start : start + _AT_ONCE], self._device)
            small = interpolate(values, (_INCEPTION_PX,) * 2, mode="bilinear")
            parts.append(self._network(small).double().cpu())
        return torch.cat(parts)


class VideoFeatures:
    """Features of clips, by the network that FVD is defined with. Its file is a TorchScript
    program, which runs: take it from a source that you trust."""

    def __init__(self, program: Path, device: torch.device) -> None:
        if not program.is_file():
            raise WeightsError(f"there is no file {program}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # torch has no successor for it
            try:
                self._network: Any = torch.jit.load(program, map_location=device).eval()
            except (RuntimeError, ValueError) as error:
                reason = str(error).partition("\n")[0]
                raise WeightsError(f"{program} is no TorchScript program ({reason})") from None
        self._device = device

    @torch.no_grad()
    def of(self, frames: np.ndarray) -> Tensor:
        """Return the features float64 [1, 400] of a clip uint8 [T, H, W, 3], on the CPU."""
        values = _from_minus_1_to_1(frames, self._device)
        small = interpolate(values, (_I3D_PX,) * 2, mode="bilinear").transpose(0, 1)[None]
        features: Tensor = self._network(small, rescale=False, resize=False, return_features=True)
        return features.double().cpu()


def frechet_distance(one: Tensor, other: Tensor) -> float:
    """The distance between two sets of features float64 [N, F], taken as normal distributions.

    |m - n|^2 + tr(A + B - 2 sqrt(A B)); the trace of that root is that of sqrt(sqrt(A) B sqrt(A)),
    which is symmetric.
    """
    between = ((one.mean(0) - other.mean(0)) ** 2).sum()
    a, b = torch.cov(one.T), torch.cov(other.T)
    values, vectors = torch.linalg.eigh(a)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    overlap = torch.linalg.eigvalsh(root @ b @ root).clamp_min(0).sqrt().sum()
    return float((between + a.trace() + b.trace() - 2 * overlap).clamp_min(0))


def _from_minus_1_to_1(frames: np.ndarray, device: torch.device) -> Tensor:
    """Frames uint8 [T, H, W, 3] as float32 [T, 3, H, W]."""
    values = torch.tensor(frames, device=device).permute(0, 3, 1, 2)
    return values.float() / 127.5 - 1


def _unit(features: Tensor) -> Tensor:
    return features / (features.pow(2).sum(1, keepdim=True).sqrt() + 1e-10)


def _of_features(name: str) -> str | None:
    return None if name.startswith("classifier.") else name.removeprefix("features.")


def _not_a_count(name: str) -> str | None:
    return None if name.endswith("num_batches_tracked") else name


def _without_padding(layer: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
    """A mean over 3x3 with zeros around the picture becomes one without them."""
    share = avg_pool2d(torch.ones_like(inputs[0][:1, :1]), 3, stride=1, padding=1)
    return (inputs[0] / share,)


def _pool_by_maximum(block: Any) -> None:
    given: list[Tensor] = []
    block.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    block.branch_pool.register_forward_pre_hook(
        lambda *_: (max_pool2d(given.pop(), 3, stride=1, padding=1),)
    )
