"""check: verify the files and the journal of a server that does not run"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from backend.errors import StartError
from backend.journal.file import JOURNAL_NAME, open_read_only, problem_of
from backend.journal.journal import Journal
from backend.journal.lost_commits import lost_commits
from backend.journal.schema import VERSION
from backend.lock import FolderLock
from backend.store.health import BlobHealth
from ex4d.errors import InputError
from protocol.messages.jobs import BlobId
from protocol.transfer import blob_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Iterator

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    add = parser.add_argument
    add("--data_dir", type=Path, default=Path("ex4d-data"), help="folder of `ex4d serve`")
    mend = "set damaged files aside, begin a new journal with what can be read of a damaged one"
    add("--repair", action="store_true", help=mend)


def run(arguments: argparse.Namespace) -> int:
    """Print a line for everything that is wrong; 0 when nothing is, or all of it was repaired."""
    root: Path = arguments.data_dir
    if not (root / JOURNAL_NAME).is_file():
        raise InputError(f"{root} is no data folder of a server: there is no {JOURNAL_NAME} in it")
    check = _repair if arguments.repair else _look
    try:
        problems = list(check(root))
    except (StartError, OSError, sqlite3.Error) as error:
        raise InputError(f"{root} cannot be checked: {error}") from None
    for problem in problems:
        print(problem.text)
    if problems and not arguments.repair:
        print("nothing was changed; --repair sets damaged files aside and mends the journal")
    return int(any(not problem.is_mended for problem in problems))


class _Problem(NamedTuple):
    text: str
    is_mended: bool = False


def _look(root: Path) -> Iterator[_Problem]:
    path = root / JOURNAL_NAME
    lock = FolderLock(root, notes_kill=False)
    try:
        if n_lost := lost_commits(path.with_name(f"{path.name}-wal")):
            text = f"the write-ahead log of {path.name} is damaged: {n_lost} changes in it are lost"
            yield _Problem(text)
        damaged = [blob for _, blob in _damaged(root)]
        yield from (_Problem(_text_of(blob)) for blob in damaged)
        if problem := problem_of(path, read_only=True):
            yield _Problem(f"{path.name} is damaged: {problem}")
        else:
            yield from _missing(root, damaged)
    finally:
        lock.release()


def _repair(root: Path) -> Iterator[_Problem]:
    journal = Journal(root)  # which mends itself
    try:
        yield from (_Problem(notice, is_mended=True) for notice in journal.notices)
        health = BlobHealth(root / "damaged")
        damaged = []
        for path, blob in _damaged(root):
            health.set_aside(blob.sha256, path)
            damaged.append(blob)
            yield _Problem(f"{_text_of(blob)}: it was set aside", is_mended=True)
        yield from _missing(root, damaged)
    finally:
        journal.close()


def _damaged(root: Path) -> Iterator[tuple[Path, BlobId]]:
    """Read every file of the store; those that are not what their names say."""
    n_files = 0
    for path in sorted((root / "blobs").glob("??/" + "?" * 62)):
        n_files += 1
        sha256 = path.parent.name + path.name
        found = blob_of(path)
        if found.sha256 != sha256:
            yield path, BlobId(sha256, found.size)
    print(f"{n_files} files were read")


def _text_of(blob: BlobId) -> str:
    return f"file {blob.sha256} is damaged: the {blob.size} bytes that are there have another hash"


def _missing(root: Path, damaged: Collection[BlobId]) -> Iterator[_Problem]:
    """Files that a job needs and that are not there; whoever has them can send them again."""
    bad = {blob.sha256 for blob in damaged}
    with closing(open_read_only(root / JOURNAL_NAME)) as connection:
        if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            return  # the next server brings it up to date
        rows = connection.execute(
            "SELECT job_id, sha256, size, 'reads' FROM inputs UNION ALL "
            "SELECT via, sha256, size, 'has made' FROM rights WHERE via <> ''"
        ).fetchall()
    for job_id, sha256, size, verb in rows:
        path = root / "blobs" / sha256[:2] / sha256[2:]
        if sha256 not in bad and not (path.is_file() and path.stat().st_size == size):
            yield _Problem(f"job {job_id}: file {sha256}, which it {verb}, is not there")
