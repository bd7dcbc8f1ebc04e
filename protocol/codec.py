"""Messages to frames and back. Nothing past this module sees a dict.

A control message is one frame of at most CONTROL_BYTES. A data message is one frame of at most
DATA_HEADER_BYTES, and `chunk` has its bytes as a second frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from .errors import (
    InvalidArgument,
    InvalidMessage,
    ProtocolError,
    TooLarge,
    UnknownType,
    error_for,
)
from .limits import CHUNK_BYTES_MOST, CONTROL_BYTES, DATA_HEADER_BYTES
from .messages import Chunk, ControlMessage, DataMessage, Failure, JobList, Message
from .messages.refusal_words import field_of, words_for
from .scanner import check_strict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .messages.jobs import JobInfo

__all__ = [
    "Buffer",
    "decode_control",
    "decode_data",
    "encode_control",
    "encode_data",
    "error_of",
    "failure_of",
    "job_page",
    "number_of",
]

Buffer = bytes | bytearray | memoryview

_encoder = msgspec.msgpack.Encoder()
_control: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(ControlMessage)
_data: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(DataMessage)


class _Numbered(msgspec.Struct):
    id: int = 0
    transfer: int = 0


_numbered = msgspec.msgpack.Decoder(_Numbered)


def encode_control(message: Message) -> bytes:
    """One frame. Raises TooLarge beyond CONTROL_BYTES, InvalidMessage for text that is none."""
    return _encode(message, CONTROL_BYTES)


def encode_data(message: Message, payload: Buffer | None = None) -> list[Buffer]:
    """One frame, or two with a payload. Raises TooLarge and InvalidMessage."""
    header = _encode(message, DATA_HEADER_BYTES)
    if payload is None:
        return [header]
    if len(payload) > CHUNK_BYTES_MOST:
        raise TooLarge(
            f"A chunk has {len(payload)} bytes; {CHUNK_BYTES_MOST} are allowed.",
            size=len(payload),
            limit=CHUNK_BYTES_MOST,
        )
    return [header, payload]


def decode_control(frames: Sequence[Buffer]) -> ControlMessage:
    """The message in the frames of the control socket (without the routing id).

    Raises InvalidMessage, InvalidArgument (something in a job), UnknownType, TooLarge.
    """
    if len(frames) != 1:
        raise InvalidMessage(
            f"A control message has {len(frames)} frames; 1 is allowed.", field="frames"
        )
    message: ControlMessage = _decode(_control, frames[0], CONTROL_BYTES)
    return message


def decode_data(frames: Sequence[Buffer]) -> tuple[DataMessage, Buffer | None]:
    """The message in the frames of the data socket, and the bytes of a chunk.

    Raises InvalidMessage, UnknownType, TooLarge.
    """
    if len(frames) not in (1, 2):
        raise InvalidMessage(
            f"A data message has {len(frames)} frames; 1 or 2 are allowed.", field="frames"
        )
    message: DataMessage = _decode(_data, frames[0], DATA_HEADER_BYTES)
    payload = frames[1] if len(frames) == 2 else None
    expected = message.size if isinstance(message, Chunk) else None
    given = None if payload is None else len(payload)
    if given != expected:
        raise InvalidMessage(
            f"The second frame has {given} bytes; {expected} were announced.", field="size"
        )
    return message, payload


def number_of(frames: Sequence[Buffer]) -> int:
    """The request's number in a message that could not be read, for the reply; 0 if none."""
    try:
        numbered = _numbered.decode(frames[0])
    except (msgspec.MsgspecError, ValueError, RecursionError, IndexError):
        return 0
    number = numbered.id or numbered.transfer
    return number if 0 <= number < 1 << 53 else 0


def failure_of(reply_to: int, error: ProtocolError) -> Failure:
    """The message that tells a peer of an error; long texts are cut to what fits."""
    facts = {name[:40]: _plain(value)[:300] for name, value in list(error.facts.items())[:8]}
    failure = Failure(reply_to, error.code, _plain(error.text)[:800], facts)
    if len(_encoder.encode(failure)) <= DATA_HEADER_BYTES:
        return failure
    return Failure(reply_to, error.code, failure.text)


def error_of(failure: Failure) -> ProtocolError:
    """The error that a peer told of."""
    return error_for(failure.code, failure.text, failure.facts)


def job_page(reply_to: int, jobs: Sequence[JobInfo]) -> JobList:
    """The longest beginning of `jobs` that fits into one message."""
    count, size = 0, 1024
    for info in jobs[:200]:
        size += len(_encoder.encode(info))
        if size > CONTROL_BYTES:
            break
        count += 1
    return JobList(reply_to, list(jobs[:count]), more=count < len(jobs))


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _encode(message: Message, most: int) -> bytes:
    try:
        data = _encoder.encode(message)
    except (UnicodeEncodeError, OverflowError) as error:
        raise InvalidMessage(f"This cannot be sent: {error}", field="text") from None
    if len(data) > most:
        raise TooLarge(
            f"The message has {len(data)} bytes; {most} are allowed.", size=len(data), limit=most
        )
    return data


def _decode(decoder: msgspec.msgpack.Decoder[Any], frame: Buffer, most: int) -> Any:
    """One place for the six kinds of exceptions that hostile bytes can cause."""
    if len(frame) > most:
        raise TooLarge(
            f"A message has {len(frame)} bytes; {most} are allowed.", size=len(frame), limit=most
        )
    try:
        message = decoder.decode(frame)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
        raise _refusal(str(error)) from None
    if decoder is _data and _encoder.encode(message) == frame:
        return message  # as we would have written it: nothing comes twice, and it has no floats
    try:
        check_strict(bytes(frame))
    except InvalidMessage as error:
        if error.facts["field"].startswith("$.job."):
            raise InvalidArgument(error.text, **error.facts) from None
        raise
    return message


def _refusal(text: str) -> ProtocolError:
    field, words = field_of(text), words_for(text)
    if field == "$.type" and text.startswith("Invalid value"):
        return UnknownType(f"There is no such message: {words}.", field=field)
    if field.startswith("$.job."):
        return InvalidArgument(f"The job cannot be accepted: {words}.", field=field)
    return InvalidMessage(f"The message cannot be read: {words}.", field=field)
