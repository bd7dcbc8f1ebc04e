"""`.ex4d.json`: what this program wrote into a folder, and with which settings.

Only what it lists, and what is still as it was written, is ever replaced or removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ex4d.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MANIFEST", "Run", "Written", "fingerprint", "read_manifest", "write_manifest"]

MANIFEST = ".ex4d.json"
_FORMAT = 1
_MOST_BYTES = 1 << 26


@dataclass(frozen=True)
class Run:
    """What is about to write into a folder. It replaces what an earlier run of the same command
    and name has written there, whole."""

    command: str
    name: str = ""  # tells its files from those of other runs: the camera path, the file
    settings: Mapping[str, str] = field(default_factory=dict)  # that all its files depend on
    reads: tuple[Path, ...] = ()  # files, and folders whose files are read: never replaced


@dataclass(frozen=True)
class Written:
    """What a run has written: path relative to the folder, with / -> fingerprint."""

    command: str
    name: str
    settings: Mapping[str, str]
    files: Mapping[str, str]


def fingerprint(path: Path) -> str | None:
    """What tells a file from any other by its content; None for a link and all that is no file.

    By content, and not by its time: a copied folder is the same, and clocks are coarse."""
    try:
        is_file = stat.S_ISREG(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not is_file:
        return None
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return f"{file.tell()}:{digest}"


def read_manifest(folder: Path) -> tuple[Written, ...]:
    """Read what runs have written into a folder; nothing when no manifest is there. Raises
    OutputError for one that this version did not write."""
    path = folder / MANIFEST
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise ValueError
        with path.open("rb") as file:
            content = json.loads(file.read(_MOST_BYTES))
        if content["format"] != _FORMAT:
            raise ValueError
        return tuple(_written(run) for run in content["runs"])
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise OutputError(
            f"{path} is not a list of results that this version reads: move it away, or give "
            "another folder"
        ) from None


def _written(run: Any) -> Written:
    settings = {str(name): str(value) for name, value in run["settings"].items()}
    files = {name: str(found) for name, found in run["files"].items() if _is_inside(name)}
    return Written(str(run["command"]), str(run["name"]), settings, files)


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and name not in ("", ".", MANIFEST)


def write_manifest(folder: Path, runs: tuple[Written, ...], workplace: Path) -> None:
    """Write the manifest of a folder, whole; `workplace` lies on the same disk. Raises OSError."""
    content = {"format": _FORMAT, "runs": [asdict(run) for run in runs]}
    made = workplace / MANIFEST
    made.write_text(json.dumps(content, indent=1) + "\n", "ascii")
    os.replace(made, folder / MANIFEST)
