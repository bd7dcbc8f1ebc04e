"""Weights fetched from their authors' hubs: with progress, resumed, checked, and only if they fit.

Nothing of the weights is ours to hand on; each part says under which licence its authors give it.
"""

from __future__ import annotations

import fnmatch
import hashlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ex4d.errors import Ex4dError, MissingPartError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["DownloadError", "Part", "fetch", "where_files_go"]

_GIB = 1 << 30
_PIECE = 1 << 22
_SPARE_BYTES = 1 << 28


class DownloadError(Ex4dError):
    """A hub cannot be reached, or what it sent is damaged; trying again may help."""

    code = "download_failed"
    exit_code = 1


@dataclass(frozen=True)
class Part:
    """Files of one repository of a hub that belong together."""

    repository: str
    folder: str  # inside the folder of the models
    files: tuple[str, ...]  # names or patterns, as the repository and the disk have them
    licence: str
    size_gib: float  # about


def where_files_go(part: Part, models: Path) -> list[str]:
    """Say, one line for each file, what to put where by hand."""
    target = models / part.folder
    return [f"{target / name}   from huggingface.co/{part.repository}" for name in part.files]


def fetch(
    part: Part,
    models: Path,
    *,
    endpoint: str | None = None,
    report: Callable[[str], None] = lambda text: None,
) -> int:
    """Fetch what is not there yet and return how many files came. `report` gets a line for each.

    A file appears under its name when it is whole and its checksum is right; a part of one waits
    for the next run. Raises DownloadError, OutputError when the disk is too small, and
    MissingPartError without the library that talks to the hub.
    """
    try:
        import huggingface_hub
    except ImportError:
        raise MissingPartError(
            "downloads need huggingface_hub", advice='pip install "ex4d[depth]", or "ex4d[wan]"'
        ) from None
    target = models / part.folder
    try:
        wanted = _wanted(huggingface_hub, part, endpoint)
        missing = [file for file in wanted if not _is_there(target / file.rfilename, file.size)]
        _check_space(models, sum(file.size or 0 for file in missing))
        for number, file in enumerate(missing, start=1):
            size = (file.size or 0) / _GIB
            report(f"{file.rfilename} ({number} of {len(missing)}, {size:.2f} GiB)")
            path = target / file.rfilename
            huggingface_hub.hf_hub_download(
                part.repository, file.rfilename, local_dir=target, endpoint=endpoint
            )
            _check(path, file)
    except (Ex4dError, KeyboardInterrupt):
        raise
    except Exception as error:  # the hub's library and those below it have dozens of types
        if isinstance(error, OSError) and error.filename is not None:
            raise OutputError(f"{error.filename} cannot be written: {error.strerror}") from None
        places = "\n  ".join(where_files_go(part, models))
        raise DownloadError(
            f"huggingface.co/{part.repository} cannot be reached ({_summary(error)})",
            advice=f"without a network, put these files in place by hand:\n  {places}",
        ) from None
    return len(missing)


def _wanted(hub: Any, part: Part, endpoint: str | None) -> list[Any]:
    info = hub.HfApi(endpoint=endpoint).model_info(part.repository, files_metadata=True)
    files = [
        file
        for file in info.siblings
        if any(fnmatch.fnmatchcase(file.rfilename, pattern) for pattern in part.files)
    ]
    for pattern in part.files:
        if not any(fnmatch.fnmatchcase(file.rfilename, pattern) for file in files):
            raise DownloadError(f"huggingface.co/{part.repository} has no {pattern} any more")
    return files


def _is_there(path: Path, size: int | None) -> bool:
    return path.is_file() and (size is None or path.stat().st_size == size)


def _check_space(models: Path, need_bytes: int) -> None:
    existing = models.absolute()
    while not existing.is_dir():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if need_bytes and need_bytes + _SPARE_BYTES > free:
        raise OutputError(
            f"{models} has {free / _GIB:.1f} GiB free, and {need_bytes / _GIB:.1f} GiB are still "
            "to come",
            advice="free some space, or choose another folder with --models",
        )


def _check(path: Path, file: Any) -> None:
    """Compare a file that came with what the hub says of it. Small ones have no checksum there."""
    expected = None if file.lfs is None else file.lfs.sha256
    if expected is None:
        return
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
    if digest.hexdigest() != expected:
        path.unlink()
        raise DownloadError(
            f"{path} came damaged (its checksum is wrong); it is deleted: try again"
        )


def _summary(error: BaseException) -> str:
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
