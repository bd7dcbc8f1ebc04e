"""Depth Pro: metres and the field of view, each frame alone (arXiv 2410.02073). Its weights are for
research only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from ex4d.depth.estimators.base import Prediction, Report
from ex4d.depth.estimators.hub_model import load_hub_model, read_settings
from ex4d.depth.estimators.lens import pinhole, steady_focal
from ex4d.depth.estimators.pictures import Normalisation, memory_errors, to_frame_size
from ex4d.errors import WeightsError
from ex4d.runtime.torchvision_operators import declare_torchvision_operators

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DepthPro", "load"]

_LEAST, _MOST = 1e-4, 1e4  # disparity; the library's own limits


@dataclass(frozen=True)
class DepthPro:
    """The network, ready, and what its pictures look like."""

    model: Any  # a DepthProForDepthEstimation
    device: torch.device
    size: tuple[int, int]  # (w, h) of its pictures
    normalisation: Normalisation

    def predict(self, frames: np.ndarray, report: Report) -> Prediction:
        """See Estimator. The lens is made steady over the clip; the scale goes with it."""
        n_frames, height, width = frames.shape[:3]
        canonical = np.empty((n_frames, height, width), np.float32)
        fov_deg = np.empty(n_frames)
        with memory_errors("Depth Pro", n_frames, (width, height)):
            for number in range(n_frames):
                canonical[number], fov_deg[number] = self._look(frames[number : number + 1])
                report(number + 1, n_frames)
        focal = steady_focal(0.5 / np.tan(np.radians(np.clip(fov_deg, 3, 170)) / 2))  # of the width
        disparity = canonical / focal[:, None, None].astype(np.float32)
        np.clip(disparity, _LEAST, _MOST, out=disparity)
        return Prediction(
            disparity, "metric", steady=False, intrinsics=pinhole(focal * width, (width, height))
        )

    @torch.inference_mode()
    def _look(self, frame: np.ndarray) -> tuple[np.ndarray, float]:
        """The disparity [H, W] of a frame [1, H, W, 3] for a lens as long as the picture is wide,
        and the horizontal field of view in degrees."""
        is_gpu = self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.float16, enabled=is_gpu):
            output = self.model(pixel_values=self.pictures(frame))
        size = frame.shape[2], frame.shape[1]
        return to_frame_size(output.predicted_depth, size)[0], float(output.field_of_view)

    def pictures(self, frames: np.ndarray) -> torch.Tensor:
        """What the network sees of frames uint8 [B, H, W, 3]: float32 [B, 3, h, w]."""
        pictures = torch.from_numpy(frames).to(self.device).permute(0, 3, 1, 2).float() / 255
        return functional.interpolate(
            self.normalisation.apply(pictures), self.size[::-1], mode="bilinear"
        )


def load(folders: list[Path], device: torch.device) -> DepthPro:
    """Load its checkpoint as the hub has it. Raises WeightsError."""
    declare_torchvision_operators()
    from transformers import DepthProForDepthEstimation

    path = folders[0] / "preprocessor_config.json"
    settings = read_settings(path)
    model = load_hub_model(DepthProForDepthEstimation, folders[0], device)
    if not model.use_fov_model:
        raise WeightsError(f"the Depth Pro in {folders[0]} tells no field of view")
    try:
        return DepthPro(
            model,
            device,
            size=(int(settings["size"]["width"]), int(settings["size"]["height"])),
            normalisation=Normalisation.read(settings),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} is not that of Depth Pro ({error!r})") from None
