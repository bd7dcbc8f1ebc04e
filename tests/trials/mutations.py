"""Messages made before they are sent: right ones, nearly right ones, and noise."""

from __future__ import annotations

import random
import zlib
from typing import TYPE_CHECKING

import msgspec

from protocol import codec
from protocol import messages as m
from protocol.messages.jobs import BlobId
from tests.protocol import samples

if TYPE_CHECKING:
    from protocol.messages.jobs import Job

__all__ = ["Known", "messages"]

WEIRD = [
    *(None, True, -1, 0, 1, 2**31, 2**53, 2**63, 2**64 - 1, -(2**63), 1.5),
    *(float("nan"), float("inf"), "", "x" * 300, "\0", "../../x", "\u202e", b"", b"\xff" * 50),
    *([], [[]] * 100, {}, {"a": {}}, "0" * 64, "done", "f" * 32),
]
SPLINTERS = [
    *(b"\xdf\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc1"),
    *(b"\xc6\xff\xff\xff\xff", b"\xc7\x0c\xff" + bytes(12), b"\xd6\xff\0\0\0\0", b"\x91" * 40),
]
BOMBS = [b"\x91" * 60_000, b"\xdc\x10\x00" * 1000, b"\x80" * 65_536, b"\xa0" * 60_000]
TEN = b"0123456789"


class Known(msgspec.Struct, frozen=True):
    """What a server has of the attacker: a job, which can be asked for again, and a file."""

    job_id: str
    job: Job
    blob: BlobId


def messages(known: Known, count: int, seed: int) -> dict[str, list[list[bytes]]]:
    """So many messages for each socket, `control` and `data`, as frames; the same for a seed."""
    rng = random.Random(seed)  # noqa: S311
    return {
        "control": [_frames(rng, _control(rng, known)) for _ in range(count)],
        "data": [_frames(rng, _data(rng, known)) for _ in range(count)],
    }


def _control(rng: random.Random, known: Known) -> m.Message:
    number = rng.randrange(1 << 20)
    ours = [
        m.Attach(number, known.job_id, rng.randrange(3), previews=True),
        m.Cancel(number, known.job_id),
        m.Resume(number, known.job_id),
        m.GetJob(number, known.job_id),
        m.Submit(number, f"key {rng.randrange(40)}", known.job),
        m.GetJobs(number),
        m.GetStatus(number),
        m.Ping(number),
    ]
    return rng.choice(ours if rng.random() < 0.5 else samples.CONTROL)


def _data(rng: random.Random, known: Known) -> m.Message:
    number = rng.randrange(1, 9)
    absent = BlobId(f"{rng.randrange(30):064x}", rng.choice([0, 1, 17, 5000, 1 << 20, 1 << 43]))
    blob = rng.choice([known.blob, absent])
    ours = [
        m.AskBlobs(number, [blob] * rng.randrange(1, 16)),
        m.BeginUpload(number, absent),
        m.Chunk(number, rng.choice([0, 1, 50, 4999]), len(TEN), zlib.crc32(TEN)),
        m.FinishUpload(number, rng.randrange(1, 9)),
        m.Fetch(number, blob, rng.choice([0, 1, 1 << 20]), rng.choice([1, 100, 4096])),
    ]
    return rng.choice(ours if rng.random() < 0.8 else samples.DATA)


def _frames(rng: random.Random, message: m.Message) -> list[bytes]:
    """The message as it is, changed in a field or in a byte, in pieces, or noise instead."""
    share = rng.random()
    if share < 0.15:
        frames = [msgspec.msgpack.encode(message)]
    elif share < 0.50:
        frames = [_damaged(rng, msgspec.msgpack.encode(message))]
    elif share < 0.85:
        frames = [msgspec.msgpack.encode(_changed(rng, msgspec.to_builtins(message)))]
    elif share < 0.90:
        frames = [_damaged(rng, rng.choice(BOMBS) if rng.random() < 0.02 else b"\x80" * 20)]
    elif share < 0.95:
        frames = [rng.randbytes(rng.randrange(20)) for _ in range(rng.randrange(2, 12))]
    else:
        frames = [rng.randbytes(rng.randrange(60))]
    if isinstance(message, m.Chunk) and len(frames) == 1 and rng.random() < 0.8:
        frames.append(TEN)
    return frames


def _changed(rng: random.Random, fields: dict) -> dict:
    """One field has a strange value, is missing or is one too many."""
    fields, name = dict(fields), rng.choice(list(fields))
    within = [key for key, value in fields.items() if isinstance(value, dict) and value]
    how = rng.randrange(5)
    if how == 0 and within:
        name = rng.choice(within)
        fields[name] = _changed(rng, fields[name])
    elif how == 1:
        del fields[name]
    elif how == 2:
        fields[rng.choice(["x", "type2", "__class__"])] = rng.choice(WEIRD)
    elif how == 3:
        fields["type"] = rng.choice(["", "exit", "hello ", "HELLO", "x" * 200])
    else:
        fields[name] = rng.choice(WEIRD)
    return fields


def _damaged(rng: random.Random, message: bytes) -> bytes:
    """Some bytes are changed, cut off, added or put in between."""
    data, how = bytearray(message), rng.randrange(5)
    at = rng.randrange(len(data))
    if how == 0:
        data[at] ^= 1 << rng.randrange(8)
    elif how == 1:
        del data[at:]
    elif how == 2:
        data += rng.randbytes(rng.randrange(1, 30))
    elif how == 3:
        data[at:at] = rng.choice(SPLINTERS)
    else:
        for _ in range(rng.randrange(1, 9)):
            data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def hello(rng: random.Random, connection: str = "") -> bytes:
    """A proper greeting of somebody new."""
    greeting = m.Hello(1, 1, 0, rng.randbytes(16).hex(), "attacker", "0", connection=connection)
    return codec.encode_control(greeting)
