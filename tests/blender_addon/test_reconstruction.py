"""Vertices, faces and holes are those of the backend's DW-mesh."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from extension.blender_addon.errors import ReconstructionError
from extension.blender_addon.jobs.reconstruction import STRIDES, Grid


@pytest.fixture
def settings():
    dw_mesh = pytest.importorskip("ex4d.mesh.dw_mesh", reason="needs the ex4d package")
    return dw_mesh.MeshSettings, dw_mesh.build_mesh


def test_mesh_equals_the_backends(random_reconstruction, settings):
    make_settings, build_mesh = settings
    clip = random_reconstruction()
    grid = Grid(clip.size)
    mesh = build_mesh(
        np.zeros((*clip.size[::-1], 3), np.uint8),
        clip.depth(1),
        make_settings(clip.intrinsics[1], clip.border_depth),
    )
    x, y, z = mesh.vertices.T
    np.testing.assert_allclose(clip.vertices(1, grid), np.stack([x, z, -y], axis=1), rtol=2e-6)
    bottom_left, bottom_right, top_right, top_left = grid.quads().T
    upper = np.stack([top_left, bottom_left, top_right], axis=1)
    lower = np.stack([top_right, bottom_left, bottom_right], axis=1)
    faces = np.stack([upper, lower], axis=1).reshape(-1, 3)
    np.testing.assert_array_equal(np.concatenate([faces, grid.caps()]), mesh.topology.faces)


def test_a_block_is_a_hole_when_a_triangle_has_three_hole_vertices(random_reconstruction):
    clip = random_reconstruction()
    holes = np.random.default_rng(3).random(clip.holes.shape) < 0.5
    clip = replace(clip, holes=holes)
    cells = clip.hole_cells(2, Grid(clip.size))
    for row in range(1, cells.shape[0] - 1):
        for column in range(1, cells.shape[1] - 1):
            a, b, c, d = holes[2, row : row + 2, column : column + 2].ravel()
            assert cells[row, column] == ((a and b and c) or (b and c and d))


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("size", [(5, 5), (16, 9), (24, 16), (31, 22)])
def test_a_coarse_grid_keeps_the_outline_and_its_vertices(random_reconstruction, stride, size):
    clip = random_reconstruction(size)
    grid, fine = Grid(size, stride), Grid(size)
    picked = clip.vertices(0, fine).reshape(size[1], size[0], 3)[grid.block]
    np.testing.assert_array_equal(clip.vertices(0, grid), picked.reshape(-1, 3))
    assert {0, 1, size[0] - 2, size[0] - 1} <= set(grid.columns.tolist())
    assert {0, 1, size[1] - 2, size[1] - 1} <= set(grid.rows.tolist())
    assert np.diff(grid.rows).max() <= stride
    assert np.diff(grid.columns).max() <= stride


@pytest.mark.parametrize("stride", [2, 4])
def test_a_coarse_block_is_a_hole_when_it_covers_one(random_reconstruction, stride):
    clip = replace(random_reconstruction((31, 22)), holes=np.zeros((5, 22, 31), np.bool_))
    clip.holes[0, 10:12, 13:15] = True
    cells = clip.hole_cells(0, Grid(clip.size, stride))
    grid = Grid(clip.size, stride)
    row = np.searchsorted(grid.rows, 10, side="right") - 1
    column = np.searchsorted(grid.columns, 13, side="right") - 1
    assert cells[row, column]
    assert cells[1:-1, 1:-1].sum() == 1


def test_vertices_project_onto_their_pixels(random_reconstruction):
    clip = random_reconstruction()
    grid = Grid(clip.size)
    x, z, y = clip.vertices(0, grid).astype(np.float64).T * [[1], [1], [-1]]
    u = clip.intrinsics[0, 0, 0] * x / z + clip.intrinsics[0, 0, 2]
    v = clip.intrinsics[0, 1, 1] * y / z + clip.intrinsics[0, 1, 2]
    uv = grid.texture_coordinates() * clip.size
    np.testing.assert_allclose(np.stack([u, clip.size[1] - v], axis=1), uv, atol=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"fps": Fraction(0)},
        {"border_depth": -1.0},
        {"disparity_min": np.nan},
        {"holes": np.zeros((1, 2, 3), np.bool_)},
        {"intrinsics": np.zeros((3, 3))},
        {"disparity": np.zeros((5, 4, 4), np.uint16)},
    ],
)
def test_what_does_not_fit_is_refused(random_reconstruction, change):
    with pytest.raises(ReconstructionError):
        replace(random_reconstruction(), **change)
