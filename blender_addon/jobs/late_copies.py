"""Large files that go to another disk are copied while the artist works on, not in a save.

Nothing leads to a copy before all of it is on the disk.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..words import sentence_of
from .work_thread import WorkThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["AT_ONCE_BYTES", "LateCopies", "bytes_to_copy"]

AT_ONCE_BYTES = 256 << 20  # of one save: 2 to 3 seconds to a network drive
_PIECE_BYTES = 8 << 20


@dataclass(frozen=True)
class _Copy:
    target: Path
    work: WorkThread


class LateCopies:
    """The copies under way, each of a folder into an empty one."""

    def __init__(self) -> None:
        self._copies: dict[tuple[Path, str], _Copy] = {}
        self.problem = ""  # why the last one failed, as a sentence

    def __contains__(self, key: tuple[Path, str]) -> bool:
        return key in self._copies

    def begin(self, folder: Path, project: str, target: Path) -> None:
        """Copy a folder for a project."""
        work = WorkThread(lambda told: _copy(folder, target, told))
        self._copies[folder, project] = _Copy(target, work)

    def take_whole(self) -> Iterator[tuple[Path, str, Path]]:
        """The copies that are whole now: of which folder, for which project, where."""
        for (folder, project), copy in list(self._copies.items()):
            if not copy.work.over:
                continue
            del self._copies[folder, project]
            if copy.work.error is None:
                yield folder, project, copy.target
            else:
                self.problem = sentence_of(copy.work.error)
                shutil.rmtree(copy.target, ignore_errors=True)

    def close(self) -> None:
        """Stop all; what was not whole is gone again."""
        for copy in self._copies.values():
            copy.work.stop(timeout_s=0.5)
            if copy.work.error is not None or not copy.work.over:
                shutil.rmtree(copy.target, ignore_errors=True)
        self._copies = {}


def bytes_to_copy(folder: Path, project: str) -> int:
    """How much a folder has, where a project lies on another disk; else nothing."""
    if os.stat(folder).st_dev == os.stat(project).st_dev:
        return 0  # a link takes no time
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _copy(folder: Path, target: Path, told: Callable[[int, int], None]) -> None:
    part = target.with_name(f"{target.name}.part")
    try:
        for path in sorted(folder.rglob("*")):
            there = part / path.relative_to(folder)
            if path.is_dir():
                there.mkdir(parents=True, exist_ok=True)
                continue
            there.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "rb") as source, open(there, "wb") as file:
                while piece := source.read(_PIECE_BYTES):
                    told(0, 0)  # which may stop it
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            shutil.copystat(path, there)
        target.rmdir()  # it kept the number
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
