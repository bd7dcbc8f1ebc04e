"""A camera path as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CameraPath"]


@dataclass(frozen=True)
class CameraPath:
    """One pose and lens for every frame."""

    extrinsics: np.ndarray  # float64 [T, 4, 4], world_to_camera, OpenCV's axes
    intrinsics: np.ndarray  # float64 [T, 3, 3], pixels of `size`, centres at +0.5
    size: tuple[int, int]  # (W, H)
    source_extrinsics: np.ndarray | None = None  # float64 [N, 4, 4]; None: the clip's stood still

    def write(self, path: Path) -> None:
        """Keep it in a file, as the command line reads it, too."""
        arrays: dict[str, Any] = {  # savez has a flag among its keywords
            "extrinsics": self.extrinsics,
            "intrinsics": self.intrinsics,
            "size": np.array(self.size),
        }
        if self.source_extrinsics is not None:
            arrays["source_extrinsics"] = self.source_extrinsics
        np.savez(path, **arrays)
