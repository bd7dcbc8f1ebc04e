"""DW-Mesh.usdc, opened with Pixar's own library."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from ex4d.errors import OutputError
from ex4d.mesh.usd import write_usd

Usd = pytest.importorskip("pxr.Usd", reason="the package usd-core is not installed")
UsdGeom = pytest.importorskip("pxr.UsdGeom", reason="the package usd-core is not installed")

SIZE = (9, 7)
N_FRAMES = 4
OPENCV_TO_USD = np.array([1, -1, -1])


@pytest.fixture
def meshes(make_mesh):
    random = np.random.default_rng(0)
    return [make_mesh(random.uniform(1, 9, SIZE[::-1])) for _ in range(N_FRAMES)]


def to_world(frame: int) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, 3] = [frame, 2 * frame, 3 * frame]
    return pose


@pytest.fixture
def stage(tmp_path, meshes):
    write_usd(
        tmp_path / "DW-Mesh.usdc",
        lambda frame: (meshes[frame], to_world(frame)),
        N_FRAMES,
        size=SIZE,
        fps=30000 / 1001,
    )
    return Usd.Stage.Open(str(tmp_path / "DW-Mesh.usdc"))


def mesh_of(stage):
    return UsdGeom.Mesh(stage.GetDefaultPrim())


def test_every_frame_has_its_own_points_in_usds_axes(stage, meshes):
    points = mesh_of(stage).GetPointsAttr()
    assert points.GetTimeSamples() == [0, 1, 2, 3]
    for frame, mesh in enumerate(meshes):
        expected = (mesh.vertices + to_world(frame)[:3, 3]) * OPENCV_TO_USD
        np.testing.assert_allclose(np.array(points.Get(frame)), expected, rtol=1e-6, atol=1e-5)


def test_the_faces_are_the_meshs_and_stay(stage, meshes):
    mesh = mesh_of(stage)
    indices, counts = mesh.GetFaceVertexIndicesAttr(), mesh.GetFaceVertexCountsAttr()
    faces = meshes[0].topology.faces
    np.testing.assert_array_equal(np.array(indices.Get()), faces.ravel())
    np.testing.assert_array_equal(np.array(counts.Get()), [3] * len(faces))
    assert indices.GetNumTimeSamples() == 0
    assert UsdGeom.Mesh.ValidateTopology(indices.Get(), counts.Get(), SIZE[0] * SIZE[1])
    assert mesh.GetSubdivisionSchemeAttr().Get() == "none"


def test_the_texture_lies_upright_on_the_pixels_centres(stage):
    st = UsdGeom.PrimvarsAPI(stage.GetDefaultPrim()).GetPrimvar("st")
    assert st.GetInterpolation() == UsdGeom.Tokens.vertex
    coordinates = np.array(st.Get()).reshape(SIZE[1], SIZE[0], 2)
    np.testing.assert_allclose(coordinates[0, 0], [0.5 / 9, 1 - 0.5 / 7], atol=1e-6)
    np.testing.assert_allclose(coordinates[-1, -1], [1 - 0.5 / 9, 0.5 / 7], atol=1e-6)
    assert st.GetAttr().GetNumTimeSamples() == 0


def test_times_rate_axes_and_unit_are_said(stage):
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (0, N_FRAMES - 1)
    assert stage.GetFramesPerSecond() == pytest.approx(30000 / 1001)
    assert stage.GetTimeCodesPerSecond() == pytest.approx(30000 / 1001)
    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1.0


def test_a_full_disk_is_an_output_error_and_leaves_nothing(tmp_path):
    script = """
import resource, signal, sys, numpy as np
from ex4d.errors import OutputError
from ex4d.mesh.dw_mesh import MeshSettings, build_mesh
from ex4d.mesh.usd import write_usd
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
depth = np.random.default_rng(0).uniform(1, 9, (40, 40)).astype(np.float32)
mesh = build_mesh(np.zeros((40, 40, 3), np.uint8), depth, MeshSettings(np.eye(3), 50.0))
try:
    write_usd(sys.argv[1], lambda frame: (mesh, np.eye(4)), 3, size=(40, 40), fps=24)
except OutputError as error:
    print(error)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "a.usdc")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "a.usdc cannot be written: " in run.stdout
    assert "File too large" in run.stdout
    assert run.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_a_frame_that_fails_leaves_nothing(tmp_path, meshes):
    def mesh_of_frame(frame: int):
        if frame == 2:
            raise KeyboardInterrupt
        return meshes[frame], np.eye(4)

    with pytest.raises(KeyboardInterrupt):
        write_usd(tmp_path / "a.usdc", mesh_of_frame, N_FRAMES, size=SIZE, fps=24)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_said_before_the_work(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_usd(tmp_path / "file" / "a.usdc", lambda frame: 1 / 0, 1, size=SIZE, fps=24)
