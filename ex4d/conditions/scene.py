"""A clip with all that is known of its geometry."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ex4d.convention import EXACT, Convention
from ex4d.mesh.dw_mesh import DWMesh, MeshSettings, build_mesh
from ex4d.raster.base import RenderCamera

if TYPE_CHECKING:
    import numpy as np

    from ex4d.camera.trajectory import Trajectory

__all__ = ["Scene"]


@dataclass(frozen=True)
class Scene:
    """Source frames, their depth and their camera."""

    frames: np.ndarray  # uint8 [N, H, W, 3]
    depth: np.ndarray  # float32 [N, H, W], z-depth, all known
    intrinsics: np.ndarray  # float64 [N, 3, 3], of the source camera
    min_face_angle_deg: float = 2.5
    convention: Convention = EXACT

    @cached_property
    def depth_range(self) -> tuple[float, float]:
        """Nearest and farthest depth of the clip."""
        return float(self.depth.min()), float(self.depth.max())

    def mesh(self, source_frame: int) -> DWMesh:
        """The DW-mesh of one source frame, in that frame's camera."""
        settings = MeshSettings(
            self.intrinsics[source_frame],
            self.convention.border_depth(self.depth_range[1]),
            self.min_face_angle_deg,
            self.convention,
        )
        return build_mesh(self.frames[source_frame], self.depth[source_frame], settings)

    def camera(
        self, trajectory: Trajectory, frame: int, source_frame: int, *, antialias: bool = True
    ) -> RenderCamera:
        """The trajectory's camera of one frame, looking at the mesh of a source frame."""
        near, far = self.convention.depth_limits(self.depth_range[0])
        return RenderCamera(
            trajectory.between(frame, source_frame),
            trajectory.intrinsics[frame],
            *trajectory.size,
            near=near,
            far=far,
            back_faces_are_holes=not self.convention.is_upstream,
            antialias=antialias,
        )
