"""What messages are made of: limited types, and the structs inside them."""

# No `from __future__ import annotations` here: msgspec reads the annotations.
from typing import Annotated

from msgspec import Meta, Struct

from .jobs import BlobId

__all__ = [
    "Bytes",
    "Capabilities",
    "ChunkSize",
    "Crc32",
    "EngineInfo",
    "EstimatorInfo",
    "Extra",
    "Fact",
    "Facts",
    "Held",
    "Hex",
    "Id",
    "Limits",
    "Message",
    "Name",
    "Number",
    "Text",
    "Version",
    "WorkerInfo",
]

Number = Annotated[int, Meta(ge=0, le=(1 << 53) - 1)]
Bytes = Annotated[int, Meta(ge=0, le=1 << 44)]
Version = Annotated[int, Meta(ge=0, le=65_535)]
Id = Annotated[str, Meta(min_length=1, max_length=200)]
Hex = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
Name = Annotated[str, Meta(max_length=200)]
Text = Annotated[str, Meta(max_length=10_000)]
Fact = Annotated[str, Meta(max_length=1_000)]
Capabilities = Annotated[list[Name], Meta(max_length=64)]
Extra = Annotated[dict[Name, Fact], Meta(max_length=16)]
Facts = Annotated[dict[Name, Fact], Meta(max_length=32)]
Crc32 = Annotated[int, Meta(ge=0, lt=1 << 32)]
ChunkSize = Annotated[int, Meta(ge=1, le=1 << 22)]


class Message(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """Base of all messages."""


class Limits(Struct, frozen=True):
    """What this server takes; part of `welcome`. A client is a key; without keys, all are one.
    Later versions may tell of more, which is ignored."""

    chunk_bytes: Annotated[int, Meta(ge=1 << 18, le=1 << 22)] = 1 << 20
    window_bytes: Annotated[int, Meta(ge=1 << 20, le=32 << 20)] = 32 << 20  # the widest
    blob_bytes: Bytes = 1 << 44  # the largest file
    queued_jobs: Number = 200  # of one client that wait
    open_uploads: Number = 16  # of one client
    connections: Number = 32  # of one client
    job_pixels: Number = 1 << 31  # width x height x frames of what one job makes
    kept_s: Number = 86_400  # a job that has ended, at least; its results and its key with it


class EngineInfo(Struct, frozen=True, forbid_unknown_fields=True):
    """One way to make the finished clip, and whether this server can; part of `welcome`."""

    name: Id
    title: Name
    available: bool = True
    reason: Text = ""  # why not, as a sentence


class EstimatorInfo(Struct, frozen=True, forbid_unknown_fields=True):
    """One depth estimator, and whether this server can use it; part of `welcome`."""

    name: Id
    title: Name
    gives: Name  # for whoever chooses
    licence: Name
    commercial: bool  # whether it may be used for paid work
    available: bool = True
    reason: Text = ""  # why not, as a sentence


class WorkerInfo(Struct, frozen=True, forbid_unknown_fields=True):
    """One worker process and what it does; part of `status`."""

    name: Name
    device: Name
    healthy: bool = True
    job_id: Name = ""  # none: idle
    text: Text = ""


class Held(Struct, frozen=True, forbid_unknown_fields=True):
    """A file that is lacking, and how much of its beginning is there; part of `lacking`."""

    blob: BlobId
    offset: Bytes
