"""The path and lens of a clip's own camera, solved in the scene, and the file that keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import SettingsError
from .npz_files import read_arrays

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SolvedCamera"]

_LARGEST_BYTES = 1 << 28  # of a file; hours of film have less


@dataclass(frozen=True)
class SolvedCamera:
    """The source camera's own path in the scene, and its lens."""

    camera_to_world: np.ndarray  # float64 [N, 4, 4], rigid, Blender's axes
    intrinsics: np.ndarray  # float64 [N, 3, 3], pixels of `size`, centres at +0.5
    size: tuple[int, int]  # (W, H) of the clip

    @classmethod
    def read(cls, path: Path) -> SolvedCamera:
        """Read what `write` wrote. Raises SettingsError for a file that is no such path."""
        names = ("camera_to_world", "intrinsics", "size")
        arrays = read_arrays(
            path, names, what="solved camera", most_bytes=_LARGEST_BYTES, needed=names
        )
        poses, lenses, size = (arrays[name] for name in names)
        n_frames = len(poses) if poses.ndim else 0
        if (
            poses.shape != (n_frames, 4, 4)
            or lenses.shape != (n_frames, 3, 3)
            or size.shape != (2,)
        ):
            raise SettingsError(f"{path} is no solved camera: its arrays do not fit together.")
        return cls(poses, lenses, (int(size[0]), int(size[1])))

    def write(self, path: Path) -> None:
        """Keep it in a file."""
        np.savez(
            path,
            camera_to_world=self.camera_to_world,
            intrinsics=self.intrinsics,
            size=np.array(self.size),
        )
