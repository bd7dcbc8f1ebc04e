"""Reading and writing `.npz` files: whole or not at all, never pickled."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ex4d.outputs import atomic_path

if TYPE_CHECKING:
    from ex4d.errors import InputError

__all__ = ["read_npz", "write_npz"]

_MOST_BYTES = 8 << 30  # of all arrays: the depth of a thousand frames of 1920 x 1080 (M8)
_ZIP, _NPY = b"PK", b"\x93NUMPY"  # how the files begin


def read_npz(path: Path, error: type[InputError]) -> dict[str, np.ndarray]:
    """Read every array of a file; raise `error`, naming the file, when that cannot be done."""
    path = Path(path)
    if path.is_dir():
        raise error(f"{path} is a folder, not a .npz file")
    try:
        arrays, start = _read(path)
    except FileNotFoundError:
        raise error(f"there is no file {path}") from None
    except PermissionError:
        raise error(f"{path} cannot be read: permission denied") from None
    except Exception as problem:  # a damaged file makes NumPy and zipfile raise a dozen types
        reason = str(problem).partition("\n")[0]
        raise error(f"{path} is not a readable .npz file ({reason})") from None
    if start.startswith(_NPY):
        raise error(f"{path} is a single array (.npy), not a .npz file")
    if not start.startswith(_ZIP):
        raise error(f"{path} is {'not a .npz file' if start else 'empty'}")
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # NumPy gives the bytes of what is not .npy
            raise error(f"{path} is not a readable .npz file ({name!r} in it is not an array)")
    return arrays


def _read(path: Path) -> tuple[dict[str, np.ndarray], bytes]:
    """The arrays of a file, and its first bytes: without zip's there are no arrays."""
    with path.open("rb") as file:  # np.load leaves files that it opens itself open at an error
        start = file.read(len(_NPY))
        file.seek(0)
        if not start.startswith(_ZIP):
            return {}, start
        with zipfile.ZipFile(file) as members:
            _check_size(sum(member.file_size for member in members.infolist()))
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}, start


def _check_size(n_bytes: int) -> None:
    """Refuse what grows beyond all measure when it is unpacked; zip reads no more than it says."""
    if n_bytes > _MOST_BYTES:
        raise ValueError(f"it has {n_bytes} bytes when unpacked; at most {_MOST_BYTES} are read")


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays compressed. Raises OutputError, and ValueError for arrays of objects."""
    for name, array in arrays.items():
        if array.dtype.hasobject:  # NumPy 1.26 has no allow_pickle here
            raise ValueError(f"{name} holds objects, which only pickle could write")
    with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # its flag is a keyword too
