"""DW-Mesh.ply comes back as it was, and other readers can read it."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ex4d.errors import InputError, OutputError
from ex4d.mesh.ply import read_ply, write_ply

LETTERS = {"float": "f", "uchar": "B", "int": "i"}


def parse(content: bytes) -> dict[str, list]:
    """Read any binary little-endian PLY, value by value, by what its header says."""
    header, _, body = content.partition(b"end_header\n")
    lines = [line.split() for line in header.decode("ascii").splitlines()]
    assert lines[0] == ["ply"]
    assert lines[1] == ["format", "binary_little_endian", "1.0"]
    elements: dict[str, list] = {}
    at = 0
    for number, line in enumerate(lines):
        if line[0] != "element":
            continue
        properties = [other for other in lines[number + 1 :] if other[0] in {"property", "element"}]
        ends = [i for i, other in enumerate(properties) if other[0] == "element"]
        rows, at = read_rows(body, at, int(line[2]), properties[: (ends or [None])[0]])
        elements[line[1]] = rows
    assert at == len(body)
    return elements


def read_rows(body: bytes, at: int, n_rows: int, properties: list) -> tuple[list, int]:
    rows = []
    for _ in range(n_rows):
        row = []
        for line in properties:
            letters = LETTERS[line[-2]]
            if line[1] == "list":
                (count,) = struct.unpack_from("<" + LETTERS[line[2]], body, at)
                at += struct.calcsize("<" + LETTERS[line[2]])
                letters = count * LETTERS[line[3]]
            row += struct.unpack_from("<" + letters, body, at)
            at += struct.calcsize("<" + letters)
        rows.append(row)
    return rows, at


@pytest.fixture
def ply(tmp_path, make_mesh) -> Path:
    write_ply(tmp_path / "DW-Mesh.ply", make_mesh(np.full((6, 7), 2.0)))
    return tmp_path / "DW-Mesh.ply"


@given(height=st.integers(5, 12), width=st.integers(5, 12), seed=st.integers(0, 2**32 - 1))
def test_a_mesh_comes_back_bit_for_bit(make_mesh, height, width, seed):
    mesh = make_mesh(np.random.default_rng(seed).uniform(1, 9, (height, width)))
    with tempfile.TemporaryDirectory() as folder:
        write_ply(Path(folder) / "a.ply", mesh)
        positions, rgba, faces = read_ply(Path(folder) / "a.ply")
    np.testing.assert_array_equal(positions, mesh.vertices)
    np.testing.assert_array_equal(rgba, mesh.rgba)
    np.testing.assert_array_equal(faces, mesh.topology.faces)


def test_another_reader_finds_the_same_mesh(tmp_path, make_mesh):
    mesh = make_mesh(np.random.default_rng(0).uniform(1, 9, (6, 7)))
    write_ply(tmp_path / "a.ply", mesh)
    elements = parse((tmp_path / "a.ply").read_bytes())
    vertices = np.array(elements["vertex"])
    np.testing.assert_array_equal(vertices[:, :3].astype(np.float32), mesh.vertices)
    np.testing.assert_array_equal(vertices[:, 3:], mesh.rgba)
    np.testing.assert_array_equal(elements["face"], mesh.topology.faces)


def test_a_mesh_is_written_in_the_frame_that_was_asked_for(tmp_path, make_mesh):
    mesh = make_mesh(np.full((6, 7), 2.0))
    to_world = np.eye(4)
    to_world[:3] = [[0, 0, 1, 5], [0, 1, 0, 6], [-1, 0, 0, 7]]
    write_ply(tmp_path / "a.ply", mesh, to_world)
    x, y, z = mesh.vertices.T
    expected = np.stack([z + 5, y + 6, -x + 7], axis=-1)
    np.testing.assert_allclose(read_ply(tmp_path / "a.ply")[0], expected, rtol=1e-6)


@pytest.mark.parametrize("missing", [1, 13, 500])
def test_a_file_that_was_cut_is_refused(ply, missing):
    ply.write_bytes(ply.read_bytes()[:-missing])
    with pytest.raises(InputError, match=r"DW-Mesh\.ply is cut short"):
        read_ply(ply)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ply\n",
        b"\xff\x00" * 100,
        b"ply\nformat ascii 1.0\nelement vertex 3\nelement face 1\nend_header\n",
        b"ply\nformat binary_little_endian 1.0\nelement vertex\nend_header\n",
        b"ply\nelement vertex many\nelement face -1\nend_header\n",
        b"ply\nelement vertex 1\nend_header\n",
    ],
)
def test_a_foreign_file_is_refused(tmp_path, content):
    (tmp_path / "a.ply").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.ply is not a DW-mesh PLY file"):
        read_ply(tmp_path / "a.ply")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.ply cannot be read"):
        read_ply(tmp_path / "none.ply")


def test_a_place_that_cannot_be_written_is_said(ply, make_mesh):
    with pytest.raises(OutputError, match="cannot be written"):
        write_ply(ply / "a.ply", make_mesh(np.full((6, 7), 2.0)))
