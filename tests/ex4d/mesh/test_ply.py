"""DW-Mesh.ply as other readers see it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ex4d.errors import OutputError
from ex4d.mesh.ply import write_ply
from tests.reference.ply import read_ply


@pytest.fixture
def ply(tmp_path, make_mesh) -> Path:
    write_ply(tmp_path / "DW-Mesh.ply", make_mesh(np.full((6, 7), 2.0)))
    return tmp_path / "DW-Mesh.ply"


@given(height=st.integers(5, 12), width=st.integers(5, 12), seed=st.integers(0, 2**32 - 1))
def test_another_reader_finds_the_same_mesh_bit_for_bit(make_mesh, height, width, seed):
    mesh = make_mesh(np.random.default_rng(seed).uniform(1, 9, (height, width)))
    with tempfile.TemporaryDirectory() as folder:
        write_ply(Path(folder) / "a.ply", mesh)
        positions, rgba, faces = read_ply(Path(folder) / "a.ply")
    np.testing.assert_array_equal(positions, mesh.vertices)
    np.testing.assert_array_equal(rgba, mesh.rgba)
    np.testing.assert_array_equal(faces, mesh.topology.faces)


def test_a_mesh_is_written_in_the_frame_that_was_asked_for(tmp_path, make_mesh):
    mesh = make_mesh(np.full((6, 7), 2.0))
    to_world = np.eye(4)
    to_world[:3] = [[0, 0, 1, 5], [0, 1, 0, 6], [-1, 0, 0, 7]]
    write_ply(tmp_path / "a.ply", mesh, to_world)
    x, y, z = mesh.vertices.T
    expected = np.stack([z + 5, y + 6, -x + 7], axis=-1)
    np.testing.assert_allclose(read_ply(tmp_path / "a.ply")[0], expected, rtol=1e-6)


def test_a_place_that_cannot_be_written_is_said(ply, make_mesh):
    with pytest.raises(OutputError, match="cannot be written"):
        write_ply(ply / "a.ply", make_mesh(np.full((6, 7), 2.0)))
