"""Reading and writing `.npz` files: whole or not at all, never pickled, never unpacked beyond what
the file is allowed (M8)."""

from __future__ import annotations

import math
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from ex4d.files.budget import COMMAND_LINE, Budget
from ex4d.files.npz_members import (
    OtherFile,
    checked_header,
    fill,
    members_of,
    opened,
    read_header,
    read_member,
)
from ex4d.files.outputs import atomic_path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ex4d.errors import InputError

__all__ = ["ArrayFrames", "array_names", "open_frames", "read_npz", "write_npz"]


def array_names(path: str | Path, error: type[InputError]) -> list[str]:
    """The names of all arrays in a file. Raises `error` as read_npz does."""
    with _errors_as(path, error), opened(Path(path)) as archive:
        return list(members_of(archive))


def read_npz(
    path: str | Path,
    error: type[InputError],
    budget: Budget = COMMAND_LINE,
    *,
    names: Collection[str] | None = None,
) -> dict[str, np.ndarray]:
    """Read the arrays of a file that are called so, or all; others are not looked at. Raise
    `error`, naming the file, when that cannot be done or the arrays together are larger than the
    budget has."""
    with _errors_as(path, error), opened(Path(path)) as archive:
        members = {
            name: member
            for name, member in members_of(archive).items()
            if names is None or name in names
        }
        n_bytes = sum(member.file_size for member in members.values())
        if n_bytes > budget.array_bytes:
            raise ValueError(
                f"it has {n_bytes} bytes when unpacked; at most {budget.array_bytes} are read"
            )
        return {name: read_member(archive, name, member) for name, member in members.items()}


@dataclass(eq=False)
class ArrayFrames:
    """An array [N, ...] in a file, of which one frame is unpacked at a time. Frames that are asked
    for in their order cost one pass; what comes after the last one is not looked at."""

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    _error: type[InputError]
    _is_fortran: bool = False
    _whole: np.ndarray | None = None  # of an array in FORTRAN's order, whose frames are interleaved
    _archive: zipfile.ZipFile | None = None
    _stream: IO[bytes] | None = None
    _next: int = 0

    def frame(self, number: int) -> np.ndarray:
        """Frame `number`. Raises the error that was given when the file was opened."""
        with _errors_as(self.path, self._error):
            if self._is_fortran:
                if self._whole is None:
                    with opened(self.path) as archive:
                        self._whole = read_member(
                            archive, self.name, members_of(archive)[self.name]
                        )
                return np.asarray(self._whole[number])
            try:
                return self._unpacked(number)
            except BaseException:
                self.close()
                raise

    def _unpacked(self, number: int) -> np.ndarray:
        if self._stream is None or number < self._next:
            self._rewind()
        frame = np.empty(self.shape[1:], self.dtype)
        while self._next <= number:
            fill(self._stream, frame)
            self._next += 1
        if self._next == self.shape[0]:
            self.close()
        return frame

    def close(self) -> None:
        """Close the file; a frame that is asked for opens it again."""
        for opened_now in (self._stream, self._archive):  # the archive's file ends with both
            if opened_now is not None:
                opened_now.close()
        self._archive = self._stream = None

    def _rewind(self) -> None:
        self.close()
        self._archive = zipfile.ZipFile(self.path)
        self._stream = self._archive.open(members_of(self._archive)[self.name])
        read_header(self._stream)
        self._next = 0


def open_frames(
    path: str | Path,
    error: type[InputError],
    name: str,
    others: tuple[str, ...] = (),
    budget: Budget = COMMAND_LINE,
) -> tuple[ArrayFrames | None, dict[str, np.ndarray], list[str]]:
    """Open the array `name` of a file and read those of `others` that are there.

    Also the names of all arrays. Raises `error` as read_npz does, where the budget is for one
    frame, or for the whole of an array in FORTRAN's order; and for the others.
    """
    path = Path(path)
    with _errors_as(path, error), opened(path) as archive:
        members = members_of(archive)
        frames = None
        n_bytes = sum(members[other].file_size for other in others if other in members)
        if name in members:
            with archive.open(members[name]) as stream:
                shape, is_fortran, dtype = checked_header(stream, members[name])
            is_fortran = is_fortran and len(shape) > 1
            frames = ArrayFrames(path, name, shape, dtype, error, is_fortran)
            n_bytes += math.prod(shape if is_fortran else shape[1:]) * dtype.itemsize
        if n_bytes > budget.array_bytes:
            raise ValueError(
                f"a frame of it has {n_bytes} bytes when unpacked; "
                f"at most {budget.array_bytes} are read"
            )
        read = {
            other: read_member(archive, other, members[other])
            for other in others
            if other in members
        }
        return frames, read, list(members)


def write_npz(path: str | Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays compressed. Raises OutputError, and ValueError for arrays of objects."""
    for name, array in arrays.items():
        if array.dtype.hasobject:  # NumPy 1.26 has no allow_pickle here
            raise ValueError(f"{name} holds objects, which only pickle could write")
    with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # its flag is a keyword too


@contextmanager
def _errors_as(path: str | Path, error: type[InputError]) -> Iterator[None]:
    """Turn whatever a damaged file makes NumPy and zipfile raise, a dozen types, into `error`."""
    try:
        yield
    except FileNotFoundError:
        raise error(f"there is no file {path}") from None
    except IsADirectoryError:
        raise error(f"{path} is a folder, not a .npz file") from None
    except PermissionError:
        raise error(f"{path} cannot be read: permission denied") from None
    except OtherFile as problem:
        raise error(f"{path} is {problem}") from None
    except MemoryError:  # no fault of the file, whose claims are within the budget
        raise
    except Exception as problem:
        reason = " ".join(str(problem).split())[:200] or type(problem).__name__
        raise error(f"{path} is not a readable .npz file ({reason})") from None
