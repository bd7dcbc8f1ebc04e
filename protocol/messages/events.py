"""What a server pushes about a job to those who attached to it, and how they ask for it."""

# No `from __future__ import annotations` here: msgspec reads the annotations.
from typing import Annotated

from msgspec import Meta

from ..limits import PREVIEW_BYTES
from .jobs import JobInfo, JobState
from .parts import Id, Message, Name, Number, Text

__all__ = ["Attach", "Attached", "Event", "Preview"]

_Side = Annotated[int, Meta(ge=1, le=16_384)]


class Attach(Message, frozen=True, tag="attach"):
    """Asks for a job's events: those after `since` again, then new ones as they come."""

    id: Number
    job_id: Id
    since: Number = 0
    previews: bool = False  # send preview pictures, too


class Attached(Message, frozen=True, tag="attached"):
    """Answers `attach`; the events follow."""

    reply_to: Number
    info: JobInfo


class Event(Message, frozen=True, tag="event"):
    """Something happened to a job. Pushed to every connection that attached to it."""

    job_id: Id
    sequence: Number  # rises within a job
    state: JobState
    stage: Name = ""
    done: Number = 0
    total: Number = 0
    text: Text = ""


class Preview(Message, frozen=True, tag="preview"):
    """What a job's clip looks like by now. Pushed to every connection that asked for it."""

    job_id: Id
    width: _Side  # of the whole picture
    height: _Side
    frames: Annotated[int, Meta(ge=1, le=64)]  # of equal width, side by side
    data: Annotated[bytes, Meta(min_length=1, max_length=PREVIEW_BYTES)]  # a JPEG
