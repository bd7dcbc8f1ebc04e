"""What the server and its worker processes tell each other: msgpack with a length in front."""

from __future__ import annotations

import struct
from typing import Annotated

from msgspec import Meta, Struct, msgpack

from protocol.limits import PREVIEW_BYTES
from protocol.messages.jobs import BlobId, Job  # noqa: TC001  (msgspec needs them at run time)

__all__ = [
    "Cancel",
    "Cancelled",
    "Command",
    "Failed",
    "Finished",
    "Frames",
    "Previewed",
    "Progressed",
    "Ready",
    "Report",
    "Run",
    "Show",
    "Unfit",
    "encode",
]

_LENGTH = struct.Struct("<I")


class Run(Struct, frozen=True, tag=True):
    """Do a job."""

    job_id: str
    job: Job
    inputs: dict[str, str]  # the path of each blob, by its hash
    scratch: str  # an empty folder for the results
    doubtful: tuple[BlobId, ...] = ()  # inputs to hash before anything else


class Cancel(Struct, frozen=True, tag=True):
    """Stop this job at the next frame or step; any other job is left alone."""

    job_id: str


class Show(Struct, frozen=True, tag=True):
    """From now on, send preview pictures of this job, or send none."""

    job_id: str
    wanted: bool


class Ready(Struct, frozen=True, tag=True):
    """The worker has loaded what it needs."""


class Unfit(Struct, frozen=True, tag=True):
    """The worker cannot work, and ends: its device is gone, or a library does not load."""

    text: str


class Progressed(Struct, frozen=True, tag=True):
    """How far a job is."""

    job_id: str
    stage: str
    done: int
    total: int


class Previewed(Struct, frozen=True, tag=True):
    """What a job's clip looks like by now."""

    job_id: str
    width: int
    height: int
    frames: int
    data: Annotated[bytes, Meta(max_length=PREVIEW_BYTES)]


class Finished(Struct, frozen=True, tag=True):
    """A job is done; its results lie in the scratch folder under these names, synced to disk."""

    job_id: str
    results: dict[str, BlobId]


class Failed(Struct, frozen=True, tag=True):
    """A job has ended badly."""

    job_id: str
    code: str
    text: str
    damaged: tuple[BlobId, ...] = ()  # inputs that are not what their names say


class Cancelled(Struct, frozen=True, tag=True):
    """A job was stopped because it was asked for."""

    job_id: str


Command = Run | Cancel | Show
Report = Ready | Unfit | Progressed | Previewed | Finished | Failed | Cancelled


def encode(message: Command | Report) -> bytes:
    """Return a message with its length in front."""
    body = msgpack.encode(message)
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Collects bytes as they come and gives the whole messages in them."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take in bytes and return the bodies of the messages that they complete."""
        self._buffer += data
        bodies = []
        while len(self._buffer) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                break
            bodies.append(bytes(self._buffer[_LENGTH.size : end]))
            del self._buffer[:end]
        return bodies
