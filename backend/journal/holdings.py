"""Who may use which file, in the journal.

A client may use a file when it has sent all of it, or when it is a result of a job of its that
was not released. A file that nobody may use and no job reads is held by nobody.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

from protocol.errors import Busy, DiskFull
from protocol.messages.jobs import BlobId

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from backend.journal.database import Database

__all__ = ["LOCAL", "Holdings", "owner_of", "tag_of"]

LOCAL = "local"  # owner of the jobs and files of clients without keys, on the loopback
_AT_ONCE = 500  # values in one query


def owner_of(user: str) -> str:
    """The owner that a connection's key stands for; all without a key are one."""
    return user or LOCAL


def tag_of(owner: str) -> str:
    """A short name for an owner that can be part of a file's name."""
    return hashlib.sha256(owner.encode()).hexdigest()[:16]


class Holdings:
    """The tables of inputs and rights. `add_` and `end_` run inside the journal's transactions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._owed: dict[tuple[str, str], int] = {}  # granted, and not written down yet: the size

    def grant(self, owner: str, blob: BlobId) -> None:
        """Note that an owner has sent all of a file. While the journal cannot be written it is
        remembered: a transfer of hours is not refused at its end for a lock of seconds."""
        self._owed[owner, blob.sha256] = blob.size
        with suppress(Busy, DiskFull):
            self.settle()

    def settle(self) -> None:
        """Write down what is not yet. Raises Busy, DiskFull."""
        if not self._owed:
            return
        rows = [(sha256, owner, size) for (owner, sha256), size in self._owed.items()]
        with self._database.transaction():
            self._database.write_all(
                "INSERT OR IGNORE INTO rights (sha256, owner, via, size) VALUES (?, ?, '', ?)", rows
            )
        self._owed.clear()

    def may_use(self, owner: str, blob: BlobId) -> bool:
        """Whether an owner has sent a file or got it as a result."""
        return not self.strange(owner, [blob])

    def strange(self, owner: str, blobs: Collection[BlobId]) -> list[BlobId]:
        """Those of some files that an owner may not use."""
        wanted = list({blob.sha256 for blob in blobs})
        own = {sha256 for sha256 in wanted if (owner, sha256) in self._owed}
        for begin in range(0, len(wanted), _AT_ONCE):
            part = wanted[begin : begin + _AT_ONCE]
            marks = ", ".join("?" * len(part))
            query = f"SELECT sha256 FROM rights WHERE owner = ? AND sha256 IN ({marks})"  # noqa: S608
            own.update(row["sha256"] for row in self._database.rows(query, (owner, *part)))
        return [blob for blob in blobs if blob.sha256 not in own]

    def note_fetched(self, owner: str, sha256: str) -> None:
        """Note that an owner has begun to fetch a result; writes the first time only."""
        where = "sha256 = ? AND owner = ? AND via <> '' AND NOT fetched"
        if self._database.row(f"SELECT 1 FROM rights WHERE {where}", (sha256, owner)) is None:  # noqa: S608
            return
        with self._database.transaction(is_durable=False):
            self._database.write(f"UPDATE rights SET fetched = 1 WHERE {where}", (sha256, owner))  # noqa: S608

    def is_held(self, sha256: str) -> bool:
        """Whether somebody may use a file, or a job that has not ended reads it."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM rights WHERE sha256 = ?1) "
            "OR EXISTS (SELECT 1 FROM inputs WHERE sha256 = ?1)"
        )
        row = self._database.row(query, (sha256,))
        is_owed = any(owed == sha256 for _, owed in self._owed)
        return is_owed or (row is not None and bool(row[0]))

    def held_bytes(self, owner: str) -> int:
        """Bytes of the inputs of an owner's jobs that have not ended, and of its results."""
        row = self._database.row(
            "SELECT ifnull(sum(size), 0) FROM (SELECT sha256, size FROM rights WHERE owner = ?1 "
            "AND via <> '' UNION SELECT sha256, inputs.size FROM jobs JOIN inputs USING (job_id) "
            "WHERE owner = ?1 AND ended_s IS NULL)",
            (owner,),
        )
        return 0 if row is None else int(row[0])

    def tags(self) -> dict[str, set[str]]:
        """The tags of the owners of each file, by its hash."""
        found: dict[str, set[str]] = {}
        tags: dict[str, str] = {}
        for sha256, owner in self._database.rows("SELECT sha256, owner FROM rights"):
            found.setdefault(sha256, set()).add(tags.setdefault(owner, tag_of(owner)))
        return found

    def inputs_of(self, job_id: str) -> list[BlobId]:
        """The files that a job which has not ended reads."""
        query = "SELECT sha256, size FROM inputs WHERE job_id = ?"
        return [BlobId(*row) for row in self._database.rows(query, (job_id,))]

    def needed(self) -> dict[str, list[BlobId]]:
        """The files of each job: inputs of those that have not ended, results of the others."""
        found: dict[str, list[BlobId]] = {}
        query = (
            "SELECT job_id, sha256, size FROM inputs UNION ALL "
            "SELECT via, sha256, size FROM rights WHERE via <> ''"
        )
        for job_id, sha256, size in self._database.rows(query):
            found.setdefault(job_id, []).append(BlobId(sha256, size))
        return found

    def drop(self, hashes: Iterable[str]) -> None:
        """Forget who has sent files that are gone."""
        with self._database.transaction():
            self._database.write_all(
                "DELETE FROM rights WHERE sha256 = ? AND via = ''",
                [(sha256,) for sha256 in hashes],
            )

    def sent(self) -> set[str]:
        """The hashes of all files that somebody has sent."""
        query = "SELECT DISTINCT sha256 FROM rights WHERE via = ''"
        return {row["sha256"] for row in self._database.rows(query)}

    def add_inputs(self, job_id: str, blobs: Iterable[BlobId]) -> None:
        """Note what a new job reads."""
        rows = [(job_id, blob.sha256, blob.size) for blob in blobs]
        self._database.write_all("INSERT OR IGNORE INTO inputs VALUES (?, ?, ?)", rows)

    def end_inputs(self, job_id: str) -> None:
        """Note that a job reads nothing any more."""
        self._database.write("DELETE FROM inputs WHERE job_id = ?", (job_id,))

    def add_results(self, job_id: str, blobs: Iterable[BlobId]) -> None:
        """Give a job's owner its results."""
        self._database.write_all(
            "INSERT OR IGNORE INTO rights (sha256, owner, via, size) "
            "SELECT ?, owner, job_id, ? FROM jobs WHERE job_id = ?",
            [(blob.sha256, blob.size, job_id) for blob in blobs],
        )

    def end_results(self, job_id: str) -> None:
        """Take them back."""
        self._database.write("DELETE FROM rights WHERE via = ?", (job_id,))
