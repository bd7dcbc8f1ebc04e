"""What every rasteriser takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from ex4d.mesh.topology import Topology

__all__ = ["Rasterizer", "RenderCamera", "Rendering", "TriangleMesh"]


class TriangleMesh(Protocol):
    """A coloured triangle mesh; a DWMesh is one."""

    @property
    def vertices(self) -> np.ndarray: ...  # float32 [V, 3]
    @property
    def rgba(self) -> np.ndarray: ...  # uint8 [V, 4], colours multiplied by alpha
    @property
    def topology(self) -> Topology: ...


@dataclass(frozen=True)
class RenderCamera:
    """A pinhole camera that looks at one mesh."""

    mesh_to_camera: np.ndarray  # float64 [4, 4], camera frame x right, y down, z forward
    intrinsics: np.ndarray  # float64 [3, 3], pixels, pixel centres at +0.5
    width: int
    height: int
    near: float  # z-depth; nearer surface is cut away
    far: float = np.inf  # z-depth; farther surface is not drawn
    back_faces_are_holes: bool = True  # seen from behind, a face keeps occluding but shows nothing
    antialias: bool = True


@dataclass(frozen=True)
class Rendering:
    """One picture of a mesh."""

    rgba: np.ndarray  # float32 [H, W, 4], 0..255, colours multiplied by alpha
    disparity: np.ndarray  # float32 [H, W], 1 / z of the nearest surface, hole or not; 0 for none
    face: np.ndarray  # int32 [H, W], the nearest surface's face, -1 for none
    barycentric: np.ndarray  # float32 [H, W, 2], its coordinates 1 and 2; undefined for none


class Rasterizer(Protocol):
    """Draws meshes. `render` may be called from `workers` threads at once."""

    name: str
    workers: int

    def render(self, mesh: TriangleMesh, camera: RenderCamera) -> Rendering: ...
