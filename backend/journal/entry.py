"""A job as the journal keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from protocol.messages.jobs import BlobId, JobInfo, JobState

if TYPE_CHECKING:
    import sqlite3

__all__ = ["Change", "Entry", "entry_of", "event_of", "info_of"]

_RESULTS = msgspec.msgpack.Decoder(dict[str, BlobId])


@dataclass(frozen=True)
class Change:
    """What a move brings with it."""

    error_code: str = ""
    error_text: str = ""  # cut to 10 kB
    results: dict[str, BlobId] = field(default_factory=dict)
    returns_attempt: bool = False  # the run that ends here does not count


@dataclass(frozen=True)
class Entry:
    """A job with what only the server knows of it; what it is to do, `Journal.job` reads."""

    owner: str
    info: JobInfo
    attempts: int  # how often it was started
    cancel_requested: bool


def entry_of(row: sqlite3.Row) -> Entry:
    """Read a row of the jobs."""
    is_asked = bool(row["cancel_requested"])
    return Entry(row["owner"], info_of(row), row["attempts"], is_asked)


def info_of(row: sqlite3.Row) -> JobInfo:
    """Read what a client sees of a row of the jobs."""
    same = ("job_id", "key", "kind", "label", "stage", "done", "total", "sequence")
    return JobInfo(
        **{name: row[name] for name in same},
        state=JobState(row["state"]),
        error_code=row["error_code"],
        error_text=row["error_text"],
        results=_RESULTS.decode(row["results"]),
    )


def event_of(row: sqlite3.Row, last: JobInfo) -> JobInfo:
    """Read a row of the events, given the job as it is now."""
    if row["sequence"] == last.sequence:
        return last
    return msgspec.structs.replace(
        last,
        **{name: row[name] for name in ("sequence", "stage", "done", "total")},
        state=JobState(row["state"]),
        error_code="",
        error_text="",
        results={},
    )
