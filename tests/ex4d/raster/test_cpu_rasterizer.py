"""The fast rasteriser against the slow one, and its fill rule."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ex4d.mesh.topology import Topology, grid_topology, topology_of
from ex4d.raster.base import RenderCamera
from ex4d.raster.cpu import CpuRasterizer
from tests.reference.raster import antialias, near_edges, trace, trace_around

TOLERANCE_PX = 1 / 100  # the rasteriser rounds corners to 1/256 pixel


@dataclass(frozen=True)
class Soup:
    vertices: np.ndarray
    rgba: np.ndarray
    topology: Topology


def soup(vertices, faces, seed=0):
    colors = np.random.default_rng(seed).integers(0, 256, (len(vertices), 4)).astype(np.uint8)
    return Soup(np.asarray(vertices, np.float32), colors, topology_of(np.asarray(faces)))


def camera(width, height, **changes):
    intrinsics = np.array(
        [[0.8 * width, 0, 0.47 * width], [0, 0.9 * width, 0.55 * height], [0, 0, 1]]
    )
    plain = {"near": 0.1, "back_faces_are_holes": False, "antialias": False}
    return RenderCamera(np.eye(4), intrinsics, width, height, **(plain | changes))


def assert_same_as_traced(mesh, view, *, apart_from=False):
    fast = CpuRasterizer().render(mesh, view)
    (least, most), disparity, face, steady = trace_around(
        mesh.vertices, mesh.rgba, mesh.topology.faces, view, TOLERANCE_PX
    )
    steady &= ~np.asarray(apart_from)
    same = fast.face == face
    # Two faces at one depth: either may win.
    same |= np.isclose(fast.disparity, disparity, rtol=1e-4) & (face >= 0) & (fast.face >= 0)
    assert same[steady].all()
    compared = steady & (fast.face == face)
    np.testing.assert_allclose(fast.disparity[compared], disparity[compared], rtol=2e-2, atol=1e-6)
    assert (fast.rgba[compared] >= least[compared] - 1.5).all()
    assert (fast.rgba[compared] <= most[compared] + 1.5).all()
    return steady.mean()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 41), st.integers(1, 37), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_random_triangles_equal_traced_rays_at_odd_sizes(width, height, n_faces, seed):
    random = np.random.default_rng(seed)
    centers = random.uniform([-2, -2, 0.5], [2, 2, 6], (n_faces, 1, 3))
    corners = centers + random.normal(0, 1, (n_faces, 3, 3)) * random.choice([0.1, 1, 5])
    corners[..., 2] = np.maximum(corners[..., 2], 0.2)
    mesh = soup(corners.reshape(-1, 3), np.arange(3 * n_faces).reshape(-1, 3), seed)
    assert_same_as_traced(mesh, camera(width, height))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_triangles_across_the_near_plane_and_round_the_camera_equal_traced_rays(n_faces, seed):
    random = np.random.default_rng(seed)
    corners = random.normal(0, 3, (n_faces, 3, 3))  # all round the camera, before and behind it
    mesh = soup(corners.reshape(-1, 3), np.arange(3 * n_faces).reshape(-1, 3), seed)
    assert_same_as_traced(mesh, camera(33, 27))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_slivers_equal_traced_rays(seed):
    random = np.random.default_rng(seed)
    start = random.uniform([-1.5, -1.5, 1], [1.5, 1.5, 4], (20, 3))
    along = random.normal(0, 1, (20, 3)) * [1, 1, 0.3]
    width = random.normal(0, 1e-3, (20, 3))
    corners = np.stack([start, start + along, start + along + width], axis=1)
    mesh, view = soup(corners.reshape(-1, 3), np.arange(60).reshape(-1, 3), seed), camera(40, 31)
    # A sliver may be thinner than the distance of the traced rays.
    edges = near_edges(mesh.vertices, mesh.topology.faces, view, TOLERANCE_PX)
    assert assert_same_as_traced(mesh, view, apart_from=edges) > 0.5


def test_triangles_far_outside_the_picture_are_clipped_without_harm():
    vertices = [
        [-1e5, -1e5, 2],
        [1e5, -1e5, 2],
        [0, 1e5, 2],
        [-1e4, 3, -5],
        [1e4, 3, -5],
        [0, 3, 1e4],
    ]
    mesh = soup(vertices, [[0, 1, 2], [3, 4, 5]])
    assert assert_same_as_traced(mesh, camera(64, 48)) > 0.9


def test_camera_inside_a_closed_box_sees_a_wall_in_every_pixel():
    grid = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    quads = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    faces = [[q[a], q[b], q[c]] for q in quads for a, b, c in ((0, 1, 2), (0, 2, 3))]
    mesh = soup(grid, faces)
    for turn in np.linspace(0, 2 * np.pi, 9):
        pose = np.eye(4)
        pose[:3, :3] = [
            [np.cos(turn), 0, np.sin(turn)],
            [0, 1, 0],
            [-np.sin(turn), 0, np.cos(turn)],
        ]
        pose[:3, 3] = [0.3, 0.2, 0.1]
        view = RenderCamera(pose, camera(57, 43).intrinsics, 57, 43, near=1e-3)
        assert (CpuRasterizer().render(mesh, view).face >= 0).all()


def covered_times(vertices, faces, view):
    """How many faces draw each pixel when each is drawn alone."""
    times = np.zeros((view.height, view.width), int)
    for face in faces:
        times += CpuRasterizer().render(soup(vertices, [face]), view).face >= 0
    return times


@pytest.mark.parametrize("seed", range(4))
def test_every_pixel_of_a_triangulated_plane_is_drawn_exactly_once(seed):
    random = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(7.0), np.arange(6.0))
    inner = np.zeros((6, 7, 2))
    inner[1:-1, 1:-1] = random.uniform(-0.45, 0.45, (4, 5, 2))
    flat = np.stack([x - 3, y - 2.5, np.full_like(x, 2)], axis=-1)
    flat[..., :2] += inner
    if seed % 2:  # corners exactly on pixel centres: every tie that there is
        intrinsics = np.array([[8.0, 0, 20.5], [0, 8, 18.5], [0, 0, 1]])
        flat[..., :2] = np.round(flat[..., :2] * 4) / 4
    else:
        intrinsics = np.array([[9.13, 0, 20.2], [0, 8.7, 17.9], [0, 0, 1]])
    view = RenderCamera(np.eye(4), intrinsics, 41, 37, near=0.1)
    times = covered_times(flat.reshape(-1, 3), grid_topology(6, 7).faces[:-2], view)
    assert times.max() == 1
    assert (times[10:27, 10:31] == 1).all()


def test_a_ground_plane_under_the_camera_is_drawn_exactly_once_up_to_the_horizon():
    x, z = np.meshgrid(np.linspace(-50, 50, 9), np.linspace(-40, 60, 8))
    ground = np.stack([x, np.ones_like(x), z], axis=-1).reshape(-1, 3)
    view = RenderCamera(np.eye(4), camera(48, 40).intrinsics, 48, 40, near=0.01)
    times = covered_times(ground, grid_topology(8, 9).faces[:-2], view)
    horizon = view.intrinsics[1, 2]
    rows = np.arange(40) + 0.5
    assert times.max() == 1
    assert (times[rows > horizon + 1.5] == 1).all()
    assert (times[rows < horizon] == 0).all()


def test_edges_are_antialiased_as_the_slow_twin_does():
    random = np.random.default_rng(3)
    x, y = np.meshgrid(np.linspace(-1, 1, 12), np.linspace(-1, 1, 10))
    z = 3 + 0.5 * random.uniform(-1, 1, x.shape)
    vertices = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    colors = random.integers(0, 256, (120, 4)).astype(np.uint8)
    mesh = Soup(vertices.astype(np.float32), colors, grid_topology(10, 12))
    rough = CpuRasterizer().render(mesh, camera(61, 53))
    smooth = CpuRasterizer().render(mesh, camera(61, 53, antialias=True))
    twin = antialias(rough, mesh, camera(61, 53))
    different = np.abs(smooth.rgba - rough.rgba).max(axis=-1) > 2
    assert different.sum() > 50
    close = np.abs(smooth.rgba - twin).max(axis=-1) < 4  # corners rounded to 1/256 pixel
    assert close.mean() > 0.998


@pytest.mark.parametrize("edge", [10.1, 10.25, 10.5, 10.75, 10.9])
def test_a_straight_edge_gets_the_coverage_of_the_pixel_it_cuts(edge):
    vertices = [[edge, -50, 1], [edge, 90, 1], [-90, 20, 1]]
    mesh = Soup(
        np.array(vertices, np.float32), np.full((3, 4), 200, np.uint8), topology_of([[0, 1, 2]])
    )
    view = RenderCamera(np.eye(4), np.eye(3), 21, 5, near=0.1, back_faces_are_holes=False)
    rgba = CpuRasterizer().render(mesh, view).rgba
    np.testing.assert_allclose(rgba[2, 10], 200 * (edge - 10), atol=1)
    np.testing.assert_allclose(rgba[2, [9, 11], 0], [200, 0], atol=1e-3)


def test_the_order_of_faces_changes_nothing():
    random = np.random.default_rng(5)
    vertices = random.normal([0, 0, 3], 1, (60, 3))
    faces = random.integers(0, 60, (80, 3))
    colors = random.integers(0, 256, (60, 4)).astype(np.uint8)
    straight, shuffled = (
        CpuRasterizer().render(
            Soup(vertices.astype(np.float32), colors, topology_of(faces[order])),
            camera(50, 40, near=0.5),
        )
        for order in (np.arange(80), random.permutation(80))
    )
    np.testing.assert_array_equal(straight.disparity, shuffled.disparity)


def test_a_back_face_occludes_but_shows_nothing():
    vertices = [[-1, -1, 2], [1, -1, 2], [0, 1, 2], [-4, -4, 3], [4, -4, 3], [0, 4, 3]]
    mesh = Soup(
        np.array(vertices, np.float32),
        np.full((6, 4), 255, np.uint8),
        topology_of([[0, 1, 2], [3, 5, 4]]),  # the nearer one turns its back
    )
    shown = CpuRasterizer().render(mesh, camera(40, 40, antialias=True))
    hidden = CpuRasterizer().render(mesh, camera(40, 40, back_faces_are_holes=True))
    assert shown.rgba[22, 19, 3] == 255
    assert hidden.face[22, 19] == 0
    assert (hidden.rgba[22, 19] == 0).all()
    assert hidden.rgba[22, 32, 3] == 255


def test_what_lies_beyond_the_far_plane_is_not_drawn():
    mesh = soup([[-9, -9, 1], [9, -9, 1], [0, 9, 9]], [[0, 1, 2]])
    view = camera(30, 30, far=4.0)
    fast = CpuRasterizer().render(mesh, view)
    _, disparity, _ = trace(mesh.vertices, mesh.rgba, mesh.topology.faces, view)
    assert 0 < (fast.face >= 0).mean() < 1
    np.testing.assert_array_equal(fast.face >= 0, disparity > 0)
