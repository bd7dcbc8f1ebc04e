"""Results appear under their final names whole, or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ex4d.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["atomic_folder", "atomic_path", "make_folder", "staged_folder"]

_REASONS = {
    errno.EACCES: "permission denied",
    errno.EDQUOT: "the disk quota is used up",
    errno.EEXIST: "a part of its path is a file, not a folder",
    errno.EIO: "the disk reports an error",
    errno.EFBIG: "the file would be larger than this system allows",
    errno.EISDIR: "it is a folder",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOENT: "its folder does not exist",
    errno.ENOSPC: "the disk is full",
    errno.ENOTDIR: "a part of its path is a file, not a folder",
    errno.EPERM: "permission denied",
    errno.EROFS: "the disk is read-only",
}


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target` (same suffix, an empty file at first) and rename
    it to `target` when the block ends well. After any exception, KeyboardInterrupt too, the
    temporary is gone and an older `target` is as it was.

    Raises OutputError before the block when nothing can be written there, and for an OSError of
    the block that is not about some other file.
    """
    temporary = target.with_name(_hidden_name() + target.suffix)
    try:
        with _as_output_error(target, temporary):
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, "", target)
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            yield temporary
            os.replace(temporary, target)
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Give an empty hidden folder beside `target` and rename it to `target` when the block ends
    well: the folder appears whole, even when the process is killed. What such a kill left of an
    earlier try is removed. `target` must not exist; its parents are created.

    Raises OutputError as atomic_path does.
    """
    temporary = target.with_name(f".{target.name}.partial")
    try:
        with _as_output_error(target, temporary):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            yield temporary
            temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def staged_folder(folder: Path) -> Iterator[Path]:
    """Give an empty hidden folder inside `folder` and move all that lies in it, subfolders too,
    to its final name in `folder` when the block ends well, over what was there. `folder` is
    created when missing. After any exception, KeyboardInterrupt too, nothing of this run is left:
    not the hidden folder, nor a folder that this call created and that is still empty.

    Raises OutputError before the block when nothing can be written there, and for an OSError of
    the block that is not about some other file.
    """
    created: list[Path] = []
    staging = folder / _hidden_name()
    finished = False
    try:
        with _as_output_error(folder, staging):
            _create_folders(folder, created)
            staging.mkdir()
            yield staging
            _move_files(staging, folder)
        finished = True
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        for parent in [] if finished else reversed(created):
            with suppress(OSError):  # not empty: someone else uses it by now
                parent.rmdir()


def make_folder(folder: Path) -> None:
    """Create a folder, and its parents, where they are missing. Raises OutputError."""
    with _as_output_error(folder, folder):
        folder.mkdir(parents=True, exist_ok=True)


def _hidden_name() -> str:
    return f".ex4d-{secrets.token_hex(6)}"


def _create_folders(folder: Path, created: list[Path]) -> None:
    """Create `folder` and its missing parents; `created` gets each one, outermost first."""
    missing = []
    current = folder
    while not current.exists():
        missing.append(current)
        current = current.parent
    for path in reversed(missing):
        with suppress(FileExistsError):
            path.mkdir()
            created.append(path)


def _move_files(staging: Path, folder: Path) -> None:
    sources = [path for path in sorted(staging.rglob("*")) if not path.is_dir()]
    targets = [folder / path.relative_to(staging) for path in sources]
    for target in targets:  # before the first move: all files appear, or none
        if target.is_dir():
            raise OutputError(f"{target} cannot be written: it is a folder")
        target.parent.mkdir(parents=True, exist_ok=True)
    for source, target in zip(sources, targets, strict=True):
        os.replace(source, target)


@contextmanager
def _as_output_error(target: Path, workplace: Path) -> Iterator[None]:
    """Turn an OSError about `target`, or about anything in `workplace`, into an OutputError."""
    try:
        yield
    except OSError as error:
        if _is_elsewhere(error, target, workplace):
            raise
        reason = _REASONS.get(error.errno or 0) or error.strerror or str(error)
        raise OutputError(f"{target} cannot be written: {reason}") from error


def _is_elsewhere(error: OSError, target: Path, workplace: Path) -> bool:
    if isinstance(error.filename, (str, os.PathLike)):
        path = Path(error.filename).absolute()
        target = target.absolute()
        is_ours = path in (target, *target.parents) or path.is_relative_to(workplace.absolute())
        return not is_ours
    # Writing to an open file names no file; NumPy's "requested and written" has no number either.
    # A broken pipe or a lost connection is not the disk's.
    return error.errno is not None and error.errno not in _REASONS
