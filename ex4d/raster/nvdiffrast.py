"""nvdiffrast behind the rasteriser interface, for parity with the public code on a GPU.

nvdiffrast is under the NVIDIA Source Code License: research and evaluation only, not for
commercial work. It is not a dependency and is imported only when the user asks for it.
"""

from __future__ import annotations

import importlib.util
import logging
from typing import Any

import numpy as np

from ex4d.errors import MissingPartError
from ex4d.raster.base import RenderCamera, Rendering, TriangleMesh

__all__ = ["LICENSE_NOTE", "NvdiffrastRasterizer", "check_packages"]

LICENSE_NOTE = (
    "nvdiffrast is licensed for research and evaluation only (NVIDIA Source Code License), "
    "not for commercial work"
)
_FARTHEST = 1e6  # times the near plane, where the camera has no far plane; float32 depth needs one
_log = logging.getLogger(__name__)


def check_packages() -> None:
    """Raise MissingPartError when a package is not installed. Loads none."""
    for package in ("nvdiffrast", "torch"):
        if importlib.util.find_spec(package) is None:
            raise MissingPartError(
                f"the rasterizer nvdiffrast cannot run, {package} is not installed",
                advice="get it from github.com/NVlabs/nvdiffrast, or use --rasterizer cpu. "
                f"Note: {LICENSE_NOTE}",
            )


class NvdiffrastRasterizer:
    """Draws with nvdiffrast on the first CUDA GPU."""

    name = "nvdiffrast"
    workers = 1  # one CUDA context

    def __init__(self) -> None:
        check_packages()
        import nvdiffrast.torch as nvdiffrast  # non-commercial: only when chosen
        import torch

        if not torch.cuda.is_available():
            raise MissingPartError(
                "the rasterizer nvdiffrast needs a CUDA GPU", advice="use --rasterizer cpu"
            )
        _log.warning(LICENSE_NOTE)
        self._torch: Any = torch
        self._nvdiffrast: Any = nvdiffrast
        self._context = nvdiffrast.RasterizeCudaContext(device="cuda:0")

    def render(self, mesh: TriangleMesh, camera: RenderCamera) -> Rendering:
        """Draw `mesh` as `camera` sees it."""
        torch, nvdiffrast = self._torch, self._nvdiffrast
        vertices = torch.from_numpy(np.ascontiguousarray(mesh.vertices)).cuda()
        faces = torch.from_numpy(np.array(mesh.topology.faces)).cuda()
        rgba = torch.from_numpy(np.ascontiguousarray(mesh.rgba)).cuda().float()
        clip_from_mesh = torch.from_numpy(_clip_from_mesh(camera)).float().cuda()
        homogeneous = torch.cat([vertices, torch.ones_like(vertices[:, :1])], dim=1)
        positions = (homogeneous @ clip_from_mesh.T)[None]
        resolution = [camera.height, camera.width]
        raster, _ = nvdiffrast.rasterize(self._context, positions, faces, resolution=resolution)
        attributes = torch.cat([rgba, positions[0, :, 3:]], dim=1)[None].contiguous()
        color, depth = nvdiffrast.interpolate(attributes, raster, faces)[0].split([4, 1], dim=-1)
        face = raster[..., 3].long() - 1
        if camera.back_faces_are_holes:
            is_front = self._is_front(vertices[faces.long()], camera)
            color = color * is_front[face.clamp(min=0)][..., None]
        if camera.antialias:
            color = nvdiffrast.antialias(color.contiguous(), raster, positions, faces)
        disparity = torch.where(face >= 0, 1 / depth[..., 0].clamp(min=camera.near), 0.0)
        u, v = raster[0, ..., 0], raster[0, ..., 1]  # coordinates of corners 0 and 1
        return Rendering(
            color[0].cpu().numpy(),
            disparity[0].cpu().numpy(),
            face[0].int().cpu().numpy(),
            torch.stack([v, 1 - u - v], dim=-1).cpu().numpy(),
        )

    def _is_front(self, corners: Any, camera: RenderCamera) -> Any:
        """Which faces, corners [F, 3, 3], turn their front to the camera: bool [F]."""
        eye = np.linalg.inv(camera.mesh_to_camera)[:3, 3]
        to_eye = self._torch.from_numpy(eye).float().cuda() - corners[:, 0]
        normal = self._torch.linalg.cross(
            corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        )
        return (normal * to_eye).sum(dim=1) > 0


def _clip_from_mesh(camera: RenderCamera) -> np.ndarray:
    """The matrix [4, 4] to clip space, where row 0 of the picture lies at y = -1."""
    u_z, v_z, z = camera.intrinsics @ camera.mesh_to_camera[:3]
    near = camera.near
    far = camera.far if np.isfinite(camera.far) else near * _FARTHEST
    depth = (far + near) / (far - near) * z - np.array([0, 0, 0, 2 * far * near / (far - near)])
    return np.stack([2 * u_z / camera.width - z, 2 * v_z / camera.height - z, depth, z])
