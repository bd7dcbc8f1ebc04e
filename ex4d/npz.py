"""Reading and writing `.npz` files: whole or not at all, never pickled."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ex4d.outputs import atomic_path

if TYPE_CHECKING:
    from ex4d.errors import InputError

__all__ = ["read_npz", "write_npz"]


def read_npz(path: Path, error: type[InputError]) -> dict[str, np.ndarray]:
    """Read every array of a file; raise `error`, naming the file, when that cannot be done."""
    path = Path(path)
    if path.is_dir():
        raise error(f"{path} is a folder, not a .npz file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            if isinstance(archive, np.ndarray):
                raise error(f"{path} is a single array (.npy), not a .npz file")
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise error(f"there is no file {path}") from None
    except PermissionError:
        raise error(f"{path} cannot be read: permission denied") from None
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as problem:
        raise error(f"{path} is not a readable .npz file ({problem})") from None


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays compressed. Raises OutputError."""
    with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
