"""The DW-mesh is closed and oriented, whatever its size."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ex4d.mesh.topology import grid_topology, topology_of
from tests.reference.mesh import neighbors_of

SIZES = st.tuples(st.integers(2, 24), st.integers(2, 24))


def directed_edges(faces: np.ndarray) -> Counter:
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    return Counter(map(tuple, ends.tolist()))


@given(size=SIZES)
def test_the_mesh_is_closed_but_for_the_slits_along_its_border(size):
    """The caps join the corners directly; the border's pixels between them leave slits that lie in
    the wall's own plane. Each inner edge has a face on both sides, once in each direction."""
    height, width = size
    edges = directed_edges(grid_topology(height, width).faces)
    assert max(edges.values()) == 1
    open_edges = [edge for edge in edges if (edge[1], edge[0]) not in edges]
    rows, columns = np.divmod(np.array(open_edges).reshape(-1, 2), width)
    for sides, last in ((rows, height - 1), (columns, width - 1)):
        on_side = (sides == 0).all(axis=1) | (sides == last).all(axis=1)
        sides[on_side] = -1
    assert ((rows == -1).all(axis=1) | (columns == -1).all(axis=1)).all()


@given(size=SIZES)
def test_with_the_slits_closed_the_mesh_is_a_sphere(size):
    """Euler's formula: with every slit counted as one more face, V - E + F = 2."""
    height, width = size
    faces = grid_topology(height, width).faces
    assert len(faces) == 2 * (height - 1) * (width - 1) + 2
    assert set(faces.ravel()) == set(range(height * width))
    edges = {frozenset(edge) for edge in directed_edges(faces)}
    n_slits = 2 * (height > 2) + 2 * (width > 2)
    assert height * width - len(edges) + len(faces) + n_slits == 2


@given(size=SIZES)
def test_front_faces_turn_counterclockwise_and_caps_the_other_way(size):
    """On the picture, where y points down, counterclockwise is a negative area."""
    height, width = size
    faces = grid_topology(height, width).faces
    rows, columns = np.divmod(faces, width)
    a, b, c = (np.stack([columns[:, k], rows[:, k]], axis=-1) for k in range(3))
    u, v = b - a, c - a
    area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    assert (area[:-2] == -1).all()
    assert (area[-2:] == (height - 1) * (width - 1)).all()


@given(size=SIZES)
def test_faces_that_touch_the_ring_are_on_the_border(size):
    height, width = size
    topology = grid_topology(height, width)
    for face, on_border in zip(topology.faces, topology.on_border, strict=True):
        rows, columns = np.divmod(face, width)
        touches = {0, height - 1} & set(rows) or {0, width - 1} & set(columns)
        assert on_border == bool(touches)


@given(size=SIZES)
def test_neighbours_of_a_grid_are_those_of_the_slow_twin(size):
    topology = grid_topology(*size)
    np.testing.assert_array_equal(topology.neighbors, neighbors_of(topology.faces))


@given(seed=st.integers(0, 2**32 - 1), n_faces=st.integers(0, 40), n_vertices=st.integers(3, 60))
def test_neighbours_in_a_soup_are_those_of_the_slow_twin(seed, n_faces, n_vertices):
    random = np.random.default_rng(seed)
    faces = [random.choice(n_vertices, 3, replace=False) for _ in range(n_faces)]
    faces = np.array(faces, np.int32).reshape(-1, 3)
    topology = topology_of(faces)
    np.testing.assert_array_equal(topology.neighbors, neighbors_of(faces).reshape(-1, 3))
    assert not topology.on_border.any()


def test_neighbours_are_mutual_across_the_same_edge():
    topology = grid_topology(7, 9)
    for number, face in enumerate(topology.faces):
        for corner, other in enumerate(topology.neighbors[number]):
            if other >= 0:
                edge = set(np.delete(face, corner).tolist())
                back = list(topology.neighbors[other]).index(number)
                assert set(np.delete(topology.faces[other], back).tolist()) == edge


def test_the_shared_arrays_cannot_be_written_to():
    topology = grid_topology(5, 6)
    assert grid_topology(5, 6) is topology
    for array in (topology.faces, topology.neighbors, topology.on_border):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
