"""Results appear under their final names whole, or not at all, and never over what is not ours.

What lies where an artist chose is written by staged_folder and staged_file, which look after that
(see ex4d/files/replacing.py); atomic_path and atomic_folder are for what lies inside those, and
inside folders that a command has made for itself.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ex4d.errors import Ex4dError, OutputError
from ex4d.files.replacing import Claim

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ex4d.files.manifest import Run

__all__ = [
    "atomic_folder",
    "atomic_path",
    "check_names",
    "make_folder",
    "staged_beside",
    "staged_file",
    "staged_folder",
]

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
def staged_folder(folder: Path, run: Run, planned: Iterable[str] = ()) -> Iterator[Path]:
    """Give an empty hidden folder inside `folder` and move all that lies in it, subfolders too,
    to its final name in `folder` when the block ends well. `folder` is created when missing. What
    an earlier run of the same command and name wrote there goes; nothing else that was there is
    ever replaced, see Claim. After any exception, KeyboardInterrupt too, nothing of this run is
    left: not the hidden folder, nor a folder that this call created and that is still empty.

    Raises OutputError before the block when nothing can be written there, or when one of the names
    in `planned` must not be; for others at the end; and for an OSError of the block that is not
    about some other file.
    """
    created: list[Path] = []
    staging = folder / _hidden_name()
    claim = Claim(folder, run)
    finished = False
    try:
        with _as_output_error(folder, staging), _named_as(folder, staging):
            with _as_output_error(folder, folder):
                claim.check(planned)
            _create_folders(folder, created)
            staging.mkdir()
            yield staging
            with _as_output_error(folder, folder):
                claim.move(staging)
        finished = True
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        for parent in [] if finished else reversed(created):
            with suppress(OSError):  # not empty: someone else uses it by now
                parent.rmdir()


@contextmanager
def staged_file(target: Path, run: Run) -> Iterator[Path]:
    """Give a path in a hidden folder beside `target`, and move what was written there to `target`
    when the block ends well: as staged_folder does. Raises OutputError as it does."""
    with staged_beside(target, run, (target.name,)) as staging:
        yield staging / target.name


@contextmanager
def staged_beside(target: Path, run: Run, planned: Iterable[str]) -> Iterator[Path]:
    """The same for several files beside `target`, whose folder must exist: gives the hidden one."""
    with _as_output_error(target, target):
        target.parent.stat()
    with staged_folder(target.parent, run, planned) as staging:
        yield staging


def check_names(folder: Path, run: Run, names: Iterable[str]) -> None:
    """Raise OutputError when staged_folder would refuse to write one of these names."""
    with _as_output_error(folder, folder):
        Claim(folder, run).check(names)


@contextmanager
def _named_as(folder: Path, staging: Path) -> Iterator[None]:
    """Let errors name the files as they will be called."""
    try:
        yield
    except Ex4dError as error:
        text = str(error)
        if str(staging) not in text:
            raise
        raise type(error)(text.replace(str(staging), str(folder))) from error


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
