"""`.npz` files: whole or not at all, never pickled; whatever is wrong with one names the file."""

from __future__ import annotations

import io
import pickle
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ex4d.errors import CameraError, DepthError, OutputError
from ex4d.files.npz import read_npz, write_npz
from tests.ex4d.video.bombs import npz_bomb

DTYPES = st.sampled_from(["u1", "u2", "i8", "f2", "f4", "f8", "?"])


def refusal(path: Path) -> str:
    with pytest.raises(DepthError) as caught:
        read_npz(path, DepthError)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def test_m8_what_unpacks_to_more_than_any_memory_is_refused_before_it_is(tmp_path):
    bomb = npz_bomb(tmp_path / "depth.npz")
    assert bomb.stat().st_size < 10_000
    assert "bytes when unpacked" in refusal(bomb)


def with_header(path: Path, header: str) -> Path:
    """A `.npz` whose one array has a header of anybody's making and no data."""
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("depth.npy", data)
    return path


@given(array=npst.arrays(DTYPES, npst.array_shapes(min_dims=0, max_dims=4, min_side=0)))
def test_arrays_come_back_bit_for_bit(array):
    with tempfile.TemporaryDirectory() as folder:
        write_npz(Path(folder) / "a.npz", {"one": array, "two": np.arange(3)})
        read = read_npz(Path(folder) / "a.npz", DepthError)
    assert list(read) == ["one", "two"]
    assert (read["one"].dtype, read["one"].shape) == (array.dtype, array.shape)
    assert read["one"].tobytes() == array.tobytes()


def test_the_error_is_the_one_that_was_asked_for(tmp_path):
    with pytest.raises(CameraError, match=f"there is no file {tmp_path}/none.npz"):
        read_npz(tmp_path / "none.npz", CameraError)


def test_a_folder_is_refused(tmp_path):
    assert refusal(tmp_path).endswith("is a folder, not a .npz file")


def test_a_path_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert "Not a directory" in refusal(tmp_path / "file" / "a.npz")


def test_a_single_array_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(3))
    assert refusal(tmp_path / "a.npy").endswith("is a single array (.npy), not a .npz file")


def test_an_empty_archive_has_no_arrays(tmp_path):
    np.savez(tmp_path / "a.npz")
    assert read_npz(tmp_path / "a.npz", DepthError) == {}


def test_a_zip_file_of_something_else_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("depth", "these are not numbers")
    assert "'depth' in it is not an array" in refusal(tmp_path / "a.npz")


def test_pickled_arrays_are_never_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    np.savez(tmp_path / "a.npz", depth=np.array([Trap()], object))
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Trap()))
    refusal(tmp_path / "a.npz")
    refusal(tmp_path / "b.npz")
    assert not (tmp_path / "sprung").exists()


def test_pickled_arrays_are_never_written(tmp_path):
    with pytest.raises(ValueError, match="depth holds objects"):
        write_npz(tmp_path / "a.npz", {"depth": np.array([None])})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000)}\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4)}\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4)}" + " " * 20000 + "\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4)}\n",
        "{'descr':\n",
        "not a header\n",
    ],
    ids=["4 TB", "negative", "long", "no data", "open brace", "words"],
)
def test_a_header_that_lies_is_refused_in_one_line(tmp_path, header):
    assert "is not a readable .npz file" in refusal(with_header(tmp_path / "a.npz", header))


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_is_refused(tmp_path, share):
    noise = np.random.default_rng(0).random((4, 20, 30))
    write_npz(tmp_path / "a.npz", {"depth": noise})
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[: int(share * len(content))])
    assert "is not a readable .npz file" in refusal(tmp_path / "a.npz")


def test_flipped_bytes_never_raise_anything_else(tmp_path):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, depth=np.zeros((2, 3, 4), np.float32))
    dice = np.random.default_rng(0)
    for _ in range(1000):
        content = bytearray(buffer.getvalue())
        for place in dice.integers(len(content), size=dice.choice([1, 2, 5])):
            content[place] = dice.integers(256)
        (tmp_path / "a.npz").write_bytes(content)
        try:
            read_npz(tmp_path / "a.npz", DepthError)
        except DepthError as error:
            assert "\n" not in str(error)  # noqa: PT017  # either outcome is right


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=f"{tmp_path}/file/a.npz cannot be written"):
        write_npz(tmp_path / "file" / "a.npz", {"depth": np.eye(3)})
