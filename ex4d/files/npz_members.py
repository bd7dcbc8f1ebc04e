"""The members of a `.npz` file: a zip archive of `.npy` arrays, checked before it is unpacked."""

from __future__ import annotations

import io
import math
import zipfile
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.lib import format as npy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "OtherFile",
    "checked_header",
    "fill",
    "members_of",
    "opened",
    "read_header",
    "read_member",
]

_ZIP, _NPY = b"PK", npy.MAGIC_PREFIX  # how the files begin
_MOST_MEMBERS = 1000
_DIRECTORY_BYTES = 1 << 20  # of a thousand members with long names; zipfile makes objects of it all
_PIECE_BYTES = 1 << 20  # that are unpacked at once
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # LZMA takes the memory that a file asks for


class OtherFile(Exception):
    """The file is of another kind, or empty."""


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open the archive. Raises OtherFile, OSError, ValueError, and what zipfile raises."""
    with path.open("rb") as file:
        start = file.read(len(_NPY))
        if start.startswith(_NPY):
            raise OtherFile("a single array (.npy), not a .npz file")
        if not start.startswith(_ZIP):
            raise OtherFile("not a .npz file" if start else "empty")
        bounded = _BoundedFile(file)
        with zipfile.ZipFile(bounded) as archive:
            bounded.most_bytes = _PIECE_BYTES
            yield archive


class _BoundedFile(io.RawIOBase):
    """A file of which no more is read at once than a directory of sound size has."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.most_bytes = _DIRECTORY_BYTES

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(min(size, self.most_bytes + 1) if size >= 0 else self.most_bytes + 1)
        if len(data) > self.most_bytes:
            raise ValueError(f"its list of arrays has more than {self.most_bytes} bytes")
        return data


def members_of(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The arrays in a file by their names. Raises ValueError."""
    found = archive.infolist()
    if len(found) > _MOST_MEMBERS:
        raise ValueError(f"it has {len(found)} arrays; at most {_MOST_MEMBERS} are read")
    for member in found:
        if member.compress_type not in _PACKED:
            raise ValueError(f"{member.filename!r} is compressed in another way than NumPy does")
    return {member.filename.removesuffix(".npy"): member for member in found}


def read_member(archive: zipfile.ZipFile, name: str, member: zipfile.ZipInfo) -> np.ndarray:
    """One array. Raises ValueError, EOFError and what zipfile raises."""
    with archive.open(member) as stream:
        try:
            shape, is_fortran, dtype = checked_header(stream, member)
        except _NoArray:
            raise ValueError(f"{name!r} in it is not an array") from None
        array = np.empty(shape[::-1] if is_fortran else shape, dtype)
        fill(stream, array)
        return array.T if is_fortran else array


class _NoArray(ValueError):
    """A member of a file is not .npy at all."""


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Shape, whether in FORTRAN's order, and type. Raises ValueError."""
    start = stream.read(npy.MAGIC_LEN)
    if not start.startswith(_NPY):
        raise _NoArray(f"it holds {start[:6]!r} in place of an array")
    if start[6:] == b"\1\0":
        return npy.read_array_header_1_0(stream)
    if start[6:] == b"\2\0":
        return npy.read_array_header_2_0(stream)
    raise ValueError(f"version {tuple(start[6:])} of .npy is not read")


def checked_header(
    stream: IO[bytes], member: zipfile.ZipInfo
) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Shape, whether in FORTRAN's order, and type: they make exactly the bytes that follow."""
    shape, is_fortran, dtype = read_header(stream)
    if dtype.hasobject:
        raise ValueError("it holds objects, which only pickle could read")
    claimed, n_bytes = math.prod(shape) * dtype.itemsize, member.file_size - stream.tell()
    if min(shape, default=0) < 0 or dtype.itemsize == 0 or claimed != n_bytes:
        raise ValueError(
            f"{dtype} {list(shape)} in it is not what its {n_bytes} bytes when unpacked make"
        )
    return shape, is_fortran, dtype


def fill(stream: IO[bytes] | None, array: np.ndarray) -> None:
    """Read an array's bytes. Raises EOFError when there are fewer."""
    if stream is None:
        raise AssertionError
    view = array.reshape(-1).view(np.uint8)
    for first in range(0, len(view), _PIECE_BYTES):
        piece = view[first : first + _PIECE_BYTES]
        at = 0
        while at < len(piece):
            data = stream.read(len(piece) - at)
            if not data:
                raise EOFError("it ends early")
            piece[at : at + len(data)] = np.frombuffer(data, np.uint8)
            at += len(data)
