"""CoTracker3 as a tracker, out of torch.hub's folder.

Licence: CC-BY-NC-4.0, code and weights: for non-commercial use only. Nothing is downloaded here:
who wants it fetches it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ex4d.errors import MissingPartError
from ex4d.training.tracks import Tracks

__all__ = ["CoTracker3"]

_REPOSITORY, _MODEL = "facebookresearch/co-tracker", "cotracker3_offline"
_WEIGHTS = "scaled_offline.pth"
_POINTS_AT_ONCE = 2048  # the model's memory grows with them


class CoTracker3:
    """Follows points through the whole clip at once, and finds them again after an occlusion."""

    def __init__(self) -> None:
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model: Any = _load().to(self._device).eval()

    def track(self, frames: np.ndarray, points: np.ndarray, start: int) -> Tracks:
        """Follow points [P, 2] of frame `start` of frames uint8 [T, H, W, 3]."""
        video = torch.from_numpy(frames).to(self._device).permute(0, 3, 1, 2)[None].float()
        positions = np.empty((len(frames), *points.shape), np.float32)
        seen = np.empty(positions.shape[:2], np.bool_)
        for first in range(0, len(points), _POINTS_AT_ONCE):
            some = slice(first, first + _POINTS_AT_ONCE)
            queries = np.full((1, len(points[some]), 3), start, np.float32)
            queries[0, :, 1:] = points[some] - np.float32(
                0.5
            )  # its pixel centres lie at whole numbers
            with torch.no_grad():
                found, visible = self._model(
                    video,
                    queries=torch.from_numpy(queries).to(self._device),
                    backward_tracking=True,
                )
            positions[:, some] = found[0].cpu().numpy() + np.float32(0.5)
            seen[:, some] = visible[0].cpu().numpy()
        inside = ((positions >= 0) & (positions < frames.shape[2:0:-1])).all(axis=-1)
        return Tracks(positions, seen & inside)


def _load() -> Any:
    """The predictor, from the folder where torch.hub keeps what was fetched."""
    folder = Path(torch.hub.get_dir())
    code = next(iter(sorted(folder.glob(_REPOSITORY.replace("/", "_") + "_*"))), None)
    if code is None or not (folder / "checkpoints" / _WEIGHTS).exists():
        raise MissingPartError(
            f"CoTracker3 (for non-commercial use only) is not in {folder}; fetch it with: "
            f"python -c \"import torch; torch.hub.load('{_REPOSITORY}', '{_MODEL}')\""
        )
    return torch.hub.load(str(code), _MODEL, source="local")
