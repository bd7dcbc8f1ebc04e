"""The points at which a crash test may end the server, all named here.

The journal and the blob store call a function with such a name as they pass the point; by default
it does nothing. The tests give one that kills its own process.
"""

from __future__ import annotations

from collections.abc import Callable

from protocol.messages.jobs import JobState

__all__ = ["BLOB_POINTS", "CHECKPOINTS", "JOURNAL_POINTS", "Checkpoint", "no_checkpoint"]

Checkpoint = Callable[[str], None]

# What the journal commits: each has a point before and a point after it.
_WRITES = ("add", *JobState, "progress", "cancel_request", "forget")
JOURNAL_POINTS = tuple(f"{when}_{write}" for write in _WRITES for when in ("before", "after"))
BLOB_POINTS = ("before_rename", "after_rename")
CHECKPOINTS = JOURNAL_POINTS + BLOB_POINTS


def no_checkpoint(name: str) -> None:
    """Do nothing."""
