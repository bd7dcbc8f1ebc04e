"""Arrays of a `.npz` file: damage, sizes that cannot be, other kinds are refused in a sentence."""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING

import numpy as np

from ..errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

__all__ = ["array_shape", "read_arrays"]

_UNREADABLE = (
    *(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error),
    *(MemoryError, NotImplementedError, RuntimeError),  # encrypted, or packed otherwise
)


def read_arrays(
    path: Path,
    names: Collection[str],
    *,
    what: str,  # the file should be
    most_bytes: int,  # unpacked, together
    needed: Collection[str] = (),
) -> dict[str, np.ndarray]:
    """Read the arrays that are called so, as far as they are there; others are not looked at.

    Raises SettingsError, a sentence that names the file, for one that is missing or damaged, holds
    more or other things than numbers, or has not all that is needed.
    """
    if not path.is_file():
        raise SettingsError(f"There is no {what} file {path}.")
    try:
        with zipfile.ZipFile(path) as archive:
            members = {item.filename: item.file_size for item in archive.infolist()}
        n_bytes = sum(members.get(f"{name}.npy", 0) for name in names)
        if n_bytes > most_bytes:
            raise SettingsError(f"{path} has {n_bytes >> 20} MiB when unpacked: it is no {what}.")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in names if name in file.files}
    except _UNREADABLE as error:
        raise SettingsError(f"{path} is no .npz file that can be read.") from error
    for name in needed:
        if name not in arrays:
            raise SettingsError(f"{path} is no {what}: there is no {name!r} in it.")
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu":
            raise SettingsError(f"{path}: {name} must be numbers, not {array.dtype}.")
    return arrays


def array_shape(path: Path, name: str) -> tuple[int, ...]:
    """The shape of an array, of which nothing else is read; none where there is no such one."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as stream:
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0
            if version != (1, 0):
                read = np.lib.format.read_array_header_2_0
            return tuple(int(side) for side in read(stream)[0])
    except _UNREADABLE:
        return ()
