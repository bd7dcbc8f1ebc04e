"""Depth Anything V2, relative or in metres, each frame alone (arXiv 2406.09414)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ex4d.depth.estimators.base import Prediction, Report
from ex4d.depth.estimators.hub_model import load_hub_model, read_settings
from ex4d.depth.estimators.pictures import (
    Normalisation,
    memory_errors,
    resized_frames,
    to_frame_size,
)
from ex4d.errors import WeightsError
from ex4d.runtime.torchvision_operators import declare_torchvision_operators

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DepthAnything", "load"]

_BATCH_PIXELS = 8 * 518 * 518
_LEAST_DEPTH_M = 1e-3  # the metric head's sigmoid comes near to 0


@dataclass(frozen=True)
class DepthAnything:
    """The network, ready, and what its pictures look like."""

    model: Any  # a DepthAnythingForDepthEstimation
    device: torch.device
    side: int  # of the shorter side of a picture
    multiple: int  # of both sides
    normalisation: Normalisation

    @torch.inference_mode()
    def predict(self, frames: np.ndarray, report: Report) -> Prediction:
        """See Estimator. Affine disparity, or metric where the network was trained for that."""
        n_frames, height, width = frames.shape[:3]
        is_metric = self.model.config.depth_estimation_type == "metric"
        size = self.picture_size((width, height))
        batch = max(1, _BATCH_PIXELS // (size[0] * size[1]))
        disparity = np.empty((n_frames, height, width), np.float32)
        with memory_errors("Depth Anything", n_frames, (width, height)):
            for start in range(0, n_frames, batch):
                some = slice(start, start + batch)
                output = self.model(pixel_values=self.pictures(frames[some], size)).predicted_depth
                if is_metric:
                    output = 1 / output.clamp(min=_LEAST_DEPTH_M)
                disparity[some] = to_frame_size(output, (width, height))
                report(min(start + batch, n_frames), n_frames)
        return Prediction(disparity, "metric" if is_metric else "affine", steady=False)

    def picture_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The (w, h) that frames of (W, H) are looked at: scaled as little as brings one side to
        the network's, both sides a multiple of its patches."""
        by_width, by_height = (self.side / side for side in size)
        scale = by_width if abs(1 - by_width) < abs(1 - by_height) else by_height
        width, height = (max(1, round(scale * side / self.multiple)) for side in size)
        return width * self.multiple, height * self.multiple

    def pictures(self, frames: np.ndarray, size: tuple[int, int]) -> torch.Tensor:
        """What the network sees of frames uint8 [B, H, W, 3]: float32 [B, 3, h, w]."""
        return self.normalisation.apply(resized_frames(frames, size, self.device) / 255)


def load(folders: list[Path], device: torch.device) -> DepthAnything:
    """Load one of its checkpoints as the hub has them. Raises WeightsError."""
    declare_torchvision_operators()
    from transformers import DepthAnythingForDepthEstimation

    path = folders[0] / "preprocessor_config.json"
    settings = read_settings(path)
    model = load_hub_model(DepthAnythingForDepthEstimation, folders[0], device)
    if model.head.max_depth is None:  # relative ones have none, and the library multiplies by it
        model.head.max_depth = 1
    try:
        return DepthAnything(
            model,
            device,
            side=int(settings["size"]["height"]),
            multiple=int(settings["ensure_multiple_of"]),
            normalisation=Normalisation.read(settings),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} is not that of Depth Anything ({error!r})") from None
