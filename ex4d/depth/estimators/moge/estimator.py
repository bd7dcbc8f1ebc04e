"""MoGe-2: from frames to disparity in 1 / metre, and the lens of every frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from ex4d.depth.estimators.base import Prediction, Report
from ex4d.depth.estimators.lens import pinhole, steady_focal
from ex4d.depth.estimators.moge.geometry import fit_focal_and_shift
from ex4d.depth.estimators.moge.network import MogeNetwork, view_plane
from ex4d.depth.estimators.pictures import memory_errors

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Moge"]

_BATCH = 4  # frames
_FIT_PX = 64  # side of the maps that the lens is fitted to
_LEAST_DEPTH_M = 1e-3


@dataclass(frozen=True)
class _Maps:
    """What was gathered of a clip."""

    depth: np.ndarray  # float32 [N, H, W], up to shift and scale
    finite: np.ndarray  # bool [N, H, W]
    scale_m: list[float] = field(default_factory=list)
    points: list[np.ndarray] = field(default_factory=list)  # float64 [P, 3] of each frame
    planes: list[np.ndarray] = field(default_factory=list)  # float64 [P, 2]


@dataclass(frozen=True)
class Moge:
    """The network, ready on a device."""

    network: MogeNetwork
    device: torch.device

    def predict(self, frames: np.ndarray, report: Report) -> Prediction:
        """See Estimator. Disparity is 0 where the network sees nothing but sky.

        The lens is fitted to each frame and made steady over the clip, then each frame's depth
        once more for that lens.
        """
        n_frames, height, width = frames.shape[:3]
        maps = _Maps(
            np.empty((n_frames, height, width), np.float32),
            np.empty((n_frames, height, width), np.bool_),
        )
        with memory_errors("MoGe-2", n_frames, (width, height)):
            for start in range(0, n_frames, _BATCH):
                self._gather(frames[start : start + _BATCH], start, maps)
                report(min(start + _BATCH, n_frames), n_frames)
        both = list(zip(maps.points, maps.planes, strict=True))
        focal = steady_focal(np.array([fit_focal_and_shift(*given)[0] for given in both]))
        disparity = maps.depth
        for frame, given in enumerate(both):
            shift = fit_focal_and_shift(*given, focal=float(focal[frame]))[1]
            depth_m = (maps.depth[frame] + shift) * maps.scale_m[frame]
            seen = maps.finite[frame] & (depth_m > _LEAST_DEPTH_M)
            disparity[frame] = np.where(seen, 1 / np.maximum(depth_m, _LEAST_DEPTH_M), 0)
        lens = pinhole(focal * np.hypot(width, height) / 2, (width, height))
        return Prediction(disparity, "metric", steady=False, intrinsics=lens)

    @torch.inference_mode()
    def _gather(self, frames: np.ndarray, start: int, maps: _Maps) -> None:
        """Look at some frames, the first of them number `start`."""
        pictures = torch.from_numpy(frames).to(self.device).permute(0, 3, 1, 2).float() / 255
        is_gpu = self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.float16, enabled=is_gpu):
            found = self.network(pictures)
        some = slice(start, start + len(frames))
        finite = found.finite > 0.5
        maps.depth[some], maps.finite[some] = found.xyz[:, 2].cpu().numpy(), finite.cpu().numpy()
        maps.scale_m.extend(found.scale_m.tolist())
        height, width = frames.shape[1:3]
        plane = _few(view_plane(width, height, width / height)).double().numpy()
        points, kept = (_few(given).cpu().numpy() for given in (found.xyz.double(), finite))
        for xyz, known in zip(points, kept, strict=True):
            maps.points.append(xyz[:, known].T)
            maps.planes.append(plane[:, known].T)


def _few(maps: Tensor) -> Tensor:
    """Every so many pixels of maps [..., H, W]: 64 rows and columns."""
    rows, columns = (torch.arange(_FIT_PX) * side // _FIT_PX for side in maps.shape[-2:])
    return maps[..., rows[:, None], columns]
