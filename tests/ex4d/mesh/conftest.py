"""Small frames for meshes."""

from __future__ import annotations

import numpy as np
import pytest

from ex4d.convention import EXACT
from ex4d.mesh.dw_mesh import MeshSettings, build_mesh


@pytest.fixture(scope="session")
def make_mesh():
    """A function: the DW-mesh of a depth [H, W] with the colours 1, 2, 3, ..."""

    def make(depth, focal_px=20.0, border=50.0, angle_deg=2.5, convention=EXACT):
        height, width = np.shape(depth)
        lens = np.array([[focal_px, 0, width / 2], [0, focal_px, height / 2], [0, 0, 1]])
        colors = 1 + np.arange(height * width * 3) % 255
        rgb = colors.reshape(height, width, 3).astype(np.uint8)
        settings = MeshSettings(lens, border, angle_deg, convention)
        return build_mesh(rgb, np.asarray(depth, np.float32), settings)

    return make
