"""The messages of the data socket, beside `hello`, `welcome` and `failure`."""

# No `from __future__ import annotations` here: msgspec reads the annotations.
from typing import Annotated

from msgspec import Meta

from .jobs import BlobId
from .parts import Bytes, ChunkSize, Crc32, Held, Message, Number

__all__ = [
    "AskBlobs",
    "BeginUpload",
    "Chunk",
    "ChunkAck",
    "ChunkAgain",
    "Fetch",
    "FinishUpload",
    "Lacking",
    "Stored",
    "UploadReady",
]


class AskBlobs(Message, frozen=True, tag="ask_blobs"):
    """Asks which of these files the server lacks."""

    id: Number
    blobs: Annotated[list[BlobId], Meta(max_length=16)]


class Lacking(Message, frozen=True, tag="lacking"):
    """The files that must be sent."""

    reply_to: Number
    blobs: Annotated[list[Held], Meta(max_length=16)]


class BeginUpload(Message, frozen=True, tag="begin_upload"):
    """Opens an upload, whose number is this `id`. Answered by `upload_ready` or `stored`."""

    id: Number
    blob: BlobId


class UploadReady(Message, frozen=True, tag="upload_ready"):
    """Space is reserved; send from `offset` on."""

    reply_to: Number
    offset: Bytes
    window_bytes: Bytes


class Chunk(Message, frozen=True, tag="chunk"):
    """A piece of a file; the bytes are the second frame."""

    transfer: Number  # the id of the `begin_upload` or `fetch` that it belongs to
    offset: Bytes
    size: ChunkSize
    crc32: Crc32


class ChunkAck(Message, frozen=True, tag="chunk_ack"):
    """Everything before `offset` is verified; bytes before `offset + window_bytes` may be sent."""

    transfer: Number
    offset: Bytes
    window_bytes: Bytes


class ChunkAgain(Message, frozen=True, tag="chunk_again"):
    """A chunk arrived damaged and must be sent again."""

    transfer: Number
    offset: Bytes
    size: ChunkSize


class FinishUpload(Message, frozen=True, tag="finish_upload"):
    """All bytes are sent. Answered by `stored`."""

    id: Number
    transfer: Number


class Stored(Message, frozen=True, tag="stored"):
    """The file is complete, verified and under its final name."""

    reply_to: Number
    blob: BlobId


class Fetch(Message, frozen=True, tag="fetch"):
    """Asks for a range of a file. Answered by one `chunk` whose `transfer` is this `id`."""

    id: Number
    blob: BlobId
    offset: Bytes
    size: ChunkSize
