"""The DW-mesh of one frame: where its vertices lie and which of them are holes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ex4d.convention import EXACT, UPSTREAM
from ex4d.errors import DepthError
from ex4d.mesh.dw_mesh import unproject
from tests.reference.mesh import hole_vertices


def step(jump: float, height: int = 12, width: int = 16) -> np.ndarray:
    depth = np.full((height, width), 2.0)
    depth[:, width // 2 :] *= 1 + jump
    return depth


def holes_of(mesh, shape) -> np.ndarray:
    return (mesh.rgba[:, 3] == 0).reshape(shape)


@pytest.mark.parametrize("convention", [EXACT, UPSTREAM])
@pytest.mark.parametrize("shape", [(5, 5), (8, 13), (17, 6)])
def test_a_vertex_projects_to_its_pixel(make_mesh, convention, shape):
    depth = np.random.default_rng(0).uniform(1, 9, shape)
    mesh = make_mesh(depth, convention=convention)
    lens = np.array([[20.0, 0, shape[1] / 2], [0, 20.0, shape[0] / 2], [0, 0, 1]])
    u, v, w = lens @ mesh.vertices.T.astype(np.float64)
    rows, columns = np.divmod(np.arange(depth.size), shape[1])
    center = 0.5 if convention is EXACT else 0.0
    np.testing.assert_allclose(u / w, columns + center, atol=1e-5)
    np.testing.assert_allclose(v / w, rows + center, atol=1e-5)


@given(
    focal_px=st.floats(1, 2000),
    center=st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
    seed=st.integers(0, 2**32 - 1),
)
def test_unproject_undoes_projection(focal_px, center, seed):
    lens = np.array([[focal_px, 0, center[0]], [0, 2 * focal_px, center[1]], [0, 0, 1]])
    depth = np.random.default_rng(seed).uniform(0.01, 100, (6, 7)).astype(np.float32)
    pixels = unproject(depth, lens).astype(np.float64) @ lens.T
    np.testing.assert_array_equal(pixels[..., 2].astype(np.float32), depth)
    tolerance = 1e-6 * (60 + focal_px)
    np.testing.assert_allclose(pixels[..., 0] / depth, [np.arange(7) + 0.5] * 6, atol=tolerance)


def test_the_ring_lies_at_the_border_depth_and_the_rest_at_its_own(make_mesh):
    depth = np.random.default_rng(0).uniform(1, 9, (9, 11)).astype(np.float32)
    z = make_mesh(depth, border=77.0).vertices[:, 2].reshape(9, 11)
    np.testing.assert_array_equal(z[1:-1, 1:-1], depth[1:-1, 1:-1])
    for ring in (z[0], z[-1], z[:, 0], z[:, -1]):
        np.testing.assert_array_equal(ring, 77)


def test_the_ring_and_what_it_touches_are_holes_even_without_a_jump(make_mesh):
    holes = holes_of(make_mesh(np.full((9, 11), 2.0), border=2.0), (9, 11))
    assert not holes[2:-2, 2:-2].any()
    assert holes.sum() == 9 * 11 - 5 * 7
    upstream = make_mesh(np.full((9, 11), 2.0), border=2.0, convention=UPSTREAM)
    assert not holes_of(upstream, (9, 11)).any()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("jump", "is_hole"), [(0.044, False), (0.048, True)])
def test_at_500_px_a_jump_of_4_58_percent_is_2_5_degrees(make_mesh, jump, is_hole, sign):
    depth = step(jump)[:, ::sign]
    holes = holes_of(make_mesh(depth, focal_px=500.0), depth.shape)
    assert holes[2:-2, 7:9].all() == is_hole
    assert holes[2:-2, 7:9].any() == is_hole


def test_the_threshold_is_where_the_formula_puts_it(make_mesh):
    """delta = 1 / (f tan angle): neighbours one pixel apart, seen from the side."""
    limit = 1 / (500 * math.tan(math.radians(2.5)))
    assert limit == pytest.approx(0.0458, abs=1e-4)
    flags = []
    for jump in np.linspace(0.9, 1.1, 21) * limit:
        row = step(jump, 6, 16)
        flags.append(holes_of(make_mesh(row, focal_px=500.0), row.shape)[2, 7])
    assert flags == sorted(flags)
    assert 8 <= flags.index(True) <= 12


def test_a_hole_grows_by_one_vertex_and_is_black(make_mesh):
    depth = np.full((13, 15), 2.0)
    depth[6, 7] = 9.0
    mesh = make_mesh(depth, focal_px=500.0)
    expected = np.zeros((13, 15), bool)
    expected[5:8, 6:9] = True
    expected[5, 6] = expected[7, 8] = False  # the diagonal runs the other way
    np.testing.assert_array_equal(holes_of(mesh, (13, 15))[2:-2, 2:-2], expected[2:-2, 2:-2])
    assert (mesh.rgba[mesh.rgba[:, 3] == 0] == 0).all()


def test_what_is_no_hole_keeps_its_colour_and_is_opaque(make_mesh):
    mesh = make_mesh(np.full((9, 11), 2.0))
    colors = (1 + np.arange(9 * 11 * 3) % 255).reshape(-1, 3)
    seen = mesh.rgba[:, 3] > 0
    assert seen.any()
    np.testing.assert_array_equal(mesh.rgba[seen, :3], colors[seen])
    assert (mesh.rgba[seen, 3] == 255).all()


@pytest.mark.parametrize("convention", [EXACT, UPSTREAM])
@pytest.mark.parametrize("angle_deg", [0.0, 2.5, 10.0, 30.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_holes_are_those_of_the_slow_twin(make_mesh, convention, angle_deg, seed):
    random = np.random.default_rng(seed)
    depth = 3 + random.normal(0, 0.05, (11, 14)) + 2 * (random.random((11, 14)) < 0.15)
    mesh = make_mesh(depth, focal_px=60.0, angle_deg=angle_deg, convention=convention)
    on_border = mesh.topology.on_border[:-2] if convention is EXACT else None
    expected = hole_vertices(mesh.vertices, mesh.topology.faces[:-2], angle_deg, on_border)
    np.testing.assert_array_equal(mesh.rgba[:, 3] == 0, expected)


@given(factor=st.sampled_from([2.0**-10, 0.5, 4.0, 2.0**13]))
def test_holes_do_not_depend_on_the_unit_of_depth(make_mesh, factor):
    depth = np.random.default_rng(3).uniform(1, 1.2, (10, 12))
    one = make_mesh(depth, focal_px=200.0, border=5.0)
    other = make_mesh(factor * depth, focal_px=200.0, border=5.0 * factor)
    np.testing.assert_array_equal(one.rgba, other.rgba)
    np.testing.assert_array_equal(factor * one.vertices, other.vertices)


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (1, 1)])
def test_a_picture_too_small_for_a_ring_is_refused_with_its_size(make_mesh, shape):
    with pytest.raises(DepthError, match=f"at least 5x5 pixels, this frame has {shape[1]}x"):
        make_mesh(np.ones(shape))
