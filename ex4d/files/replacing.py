"""What a run may replace in a folder: what this program wrote there, and nobody has changed."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ex4d.errors import OutputError
from ex4d.files.manifest import MANIFEST, Run, Written, fingerprint, read_manifest, write_manifest
from ex4d.files.names import names_in_words

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Claim"]

_log = logging.getLogger(__name__)
_OF_THE_SYSTEM = {"thumbs.db", "desktop.ini"}  # file managers put them everywhere, and hidden ones


@dataclass(frozen=True)
class _Plan:
    earlier: tuple[Written, ...]
    stale: frozenset[str]  # of earlier runs, to be removed


class Claim:
    """A run's claim on its names in a folder.

    A file that is there is replaced only when the folder's manifest lists it with the content that
    it has, and never when this run reads it, under whatever name. A subfolder holds one sequence:
    it is replaced whole, and refused when anything else lies in it, for it would be read with it.
    """

    def __init__(self, folder: Path, run: Run) -> None:
        self._folder = folder
        self._run = run
        self._read = _identities(run.reads)

    def check(self, names: Iterable[str]) -> _Plan:
        """Raise OutputError when a name must not be written. A name that ends in / is a subfolder's
        whose files are not known yet."""
        names = list(names)
        earlier = read_manifest(self._folder)
        files = {name for name in names if not name.endswith("/")}
        for name in names:
            self._check_parents(name)
        subfolders = {name.partition("/")[0] for name in names if "/" in name}
        stale: set[str] = set()
        for subfolder in sorted(subfolders):
            stale |= self._check_subfolder(subfolder, earlier)
        for name in sorted(files):
            self._check_file(name, earlier)
        for run in earlier:
            if (run.command, run.name) == (self._run.command, self._run.name):
                stale |= {name for name in run.files if self._may_go(name, earlier)}
        return _Plan(earlier, frozenset(stale - files))

    def move(self, staging: Path) -> None:
        """Move all files in `staging` to their names in the folder, over those that may be
        replaced. Raises OutputError before the first one moves, or OSError."""
        sources = [path for path in sorted(staging.rglob("*")) if not path.is_dir()]
        made = {path.relative_to(staging).as_posix(): fingerprint(path) or "" for path in sources}
        plan = self.check(made)
        run = self._run
        written = Written(run.command, run.name, dict(run.settings), made)
        # With both, old and new: a run that is killed here leaves no file that nobody owns.
        write_manifest(self._folder, (*plan.earlier, written), staging)
        for name in plan.stale:
            (self._folder / name).unlink(missing_ok=True)
        for name in made:
            target = self._folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(staging / name, target)
        for subfolder in {PurePosixPath(name).parent for name in plan.stale if "/" in name}:
            with suppress(OSError):  # not empty
                (self._folder / subfolder).rmdir()
        kept = _less(plan.earlier, made.keys() | plan.stale)
        write_manifest(self._folder, (*kept, written), staging)
        self._note_others(kept)

    def _check_parents(self, name: str) -> None:
        for parent in [*PurePosixPath(name + "x").parents][:-1]:
            path = self._folder / parent
            if path.is_symlink():
                raise OutputError(f"{path} cannot be written to: it is a link to another folder")
            if os.path.lexists(path) and not path.is_dir():
                raise OutputError(f"{path} cannot be written to: it is a file, not a folder")

    def _check_file(self, name: str, earlier: tuple[Written, ...]) -> None:
        path = self._folder / name
        if not os.path.lexists(path):
            return
        if path.is_dir() and not path.is_symlink():
            raise OutputError(f"{path} cannot be written: it is a folder")
        if self._is_read(path):
            raise OutputError(
                f"the results would replace {path}, which is read: give them another place"
            )
        if name == MANIFEST or not _is_ours(self._folder, name, earlier):
            raise OutputError(
                f"{path} cannot be written: it is there already, and not as ex4d wrote it; move it "
                "away, or give the results another place"
            )

    def _check_subfolder(self, subfolder: str, earlier: tuple[Written, ...]) -> set[str]:
        """The files of earlier runs in it. Raises OutputError for what else lies there."""
        found = set()
        root = self._folder / subfolder
        for path in sorted(root.rglob("*")) if root.is_dir() else ():
            name = path.relative_to(self._folder).as_posix()
            if (path.is_dir() and not path.is_symlink()) or _is_of_the_system(path):
                continue
            self._check_file(name, earlier)
            found.add(name)
        return found

    def _may_go(self, name: str, earlier: tuple[Written, ...]) -> bool:
        path = self._folder / name
        in_links = any((self._folder / up).is_symlink() for up in PurePosixPath(name).parents[:-1])
        return not in_links and _is_ours(self._folder, name, earlier) and not self._is_read(path)

    def _is_read(self, path: Path) -> bool:
        with suppress(OSError):
            found = path.stat()
            return (found.st_dev, found.st_ino) in self._read
        return False

    def _note_others(self, kept: tuple[Written, ...]) -> None:
        """Say which files beside the new ones were made of something else."""
        for other in kept:
            if other.command != self._run.command or not self._run.settings:
                continue
            names = other.settings.keys() | self._run.settings.keys()
            differ = sorted(n for n in names if other.settings.get(n) != self._run.settings.get(n))
            if differ:
                was = other.settings.get(differ[0], "not given")
                _log.warning("%s also holds results of other settings (%s was %s): %s",
                             self._folder, differ[0], was, names_in_words(other.files))  # fmt: skip


def _identities(paths: tuple[Path, ...]) -> frozenset[tuple[int, int]]:
    """What files are, whatever they are called: links, other spellings, other case."""
    found = set()
    for path in paths:
        with suppress(OSError):
            files = [path, *path.iterdir()] if path.is_dir() else [path]
            for file in files:
                with suppress(OSError):
                    status = file.stat()
                    found.add((status.st_dev, status.st_ino))
    return frozenset(found)


def _is_ours(folder: Path, name: str, earlier: tuple[Written, ...]) -> bool:
    listed = {run.files[name] for run in earlier if name in run.files}
    return bool(listed) and fingerprint(folder / name) in listed


def _is_of_the_system(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in _OF_THE_SYSTEM


def _less(runs: tuple[Written, ...], gone: Iterable[str]) -> tuple[Written, ...]:
    """What is left of earlier runs."""
    gone = set(gone)
    left = (
        replace(run, files={name: f for name, f in run.files.items() if name not in gone})
        for run in runs
    )
    return tuple(run for run in left if run.files)
