"""What can go wrong between a client and the backend, typed by what the caller can do about it.

ProtocolError            base of all; `code` is stable, the text is a sentence for the artist
  LinkError              nothing was refused: try again later
    NotReachable           no server answers at the endpoint
    TimedOut               a reply did not come in time; the request may be sent again
  SecurityError          keys do not fit: mend the settings
    WrongServerKey         the server's key differs from the pinned one
    NotAuthorised          the server does not know this computer's key
    EncryptionRequired     one side speaks CURVE and the other does not
  VersionMismatch        client and server cannot talk: update one of them
  Refused                the server said no to this request; `facts` say about what
    InvalidMessage, UnknownType, UnexpectedMessage, TooLarge
    InvalidArgument        a value in a job is wrong
    IdempotencyConflict    the key belongs to another job
    UnknownJob, UnknownBlob
    Busy                   the queue is full
  TransferError          bytes did not arrive as sent
    Corrupt, ChecksumMismatch, FileChanged
  DiskFull               on the side that `facts` name
  JobFailed              the job ended badly; `facts` hold the reason
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ERRORS",
    "Busy",
    "ChecksumMismatch",
    "Corrupt",
    "DiskFull",
    "EncryptionRequired",
    "FileChanged",
    "IdempotencyConflict",
    "InvalidArgument",
    "InvalidMessage",
    "JobFailed",
    "LinkError",
    "NotAuthorised",
    "NotReachable",
    "ProtocolError",
    "Refused",
    "SecurityError",
    "TimedOut",
    "TooLarge",
    "TransferError",
    "UnexpectedMessage",
    "UnknownBlob",
    "UnknownJob",
    "UnknownType",
    "VersionMismatch",
    "WrongServerKey",
    "error_for",
]


class ProtocolError(Exception):
    """Base of everything that this package raises on purpose."""

    code = "error"

    def __init__(self, text: str, **facts: str | int) -> None:
        super().__init__(text)
        self.text = text
        self.facts: dict[str, str] = {name: str(value) for name, value in facts.items()}


class LinkError(ProtocolError):
    """Nothing was refused; trying again later may work."""

    code = "link"


class NotReachable(LinkError):
    """No server answers at the endpoint."""

    code = "not_reachable"


class TimedOut(LinkError):
    """A reply did not come in time."""

    code = "timeout"


class SecurityError(ProtocolError):
    """Keys do not fit; the settings must be mended."""

    code = "security"


class WrongServerKey(SecurityError):
    """The server's key differs from the pinned one."""

    code = "wrong_server_key"


class NotAuthorised(SecurityError):
    """The server does not know this computer's key."""

    code = "not_authorised"


class EncryptionRequired(SecurityError):
    """One side speaks CURVE and the other does not."""

    code = "encryption_required"


class VersionMismatch(ProtocolError):
    """Client and server speak different major versions."""

    code = "version_mismatch"


class Refused(ProtocolError):
    """The server said no to one request."""

    code = "refused"


class InvalidMessage(Refused):
    """A message cannot be read, or a field of it is wrong."""

    code = "invalid_message"


class UnknownType(Refused):
    """A message of a type that this version does not know."""

    code = "unknown_type"


class UnexpectedMessage(Refused):
    """A message that does not fit here: before hello, or a second hello."""

    code = "protocol_error"


class TooLarge(Refused):
    """A message beyond the limit; raised before it is sent."""

    code = "too_large"


class InvalidArgument(Refused):
    """A value in a job is wrong."""

    code = "invalid_argument"


class IdempotencyConflict(Refused):
    """The key belongs to another job."""

    code = "idempotency_conflict"


class UnknownJob(Refused):
    """There is no such job, or it is another client's."""

    code = "unknown_job"


class UnknownBlob(Refused):
    """There is no such blob."""

    code = "unknown_blob"


class Busy(Refused):
    """The queue is full."""

    code = "busy"


class TransferError(ProtocolError):
    """Bytes did not arrive as they were sent."""

    code = "transfer"


class Corrupt(TransferError):
    """A chunk was damaged again and again."""

    code = "corrupt"


class ChecksumMismatch(TransferError):
    """A whole file has another hash or size than was said."""

    code = "checksum_mismatch"


class FileChanged(TransferError):
    """A file changed while it was sent."""

    code = "file_changed"


class DiskFull(ProtocolError):
    """There is no room for a file."""

    code = "disk_full"


class JobFailed(ProtocolError):
    """A job ended badly."""

    code = "job_failed"


def _all_errors(base: type[ProtocolError]) -> dict[str, type[ProtocolError]]:
    errors = {base.code: base}
    for child in base.__subclasses__():
        errors |= _all_errors(child)
    return errors


ERRORS: Mapping[str, type[ProtocolError]] = _all_errors(ProtocolError)


def error_for(code: str, text: str, facts: Mapping[str, str]) -> ProtocolError:
    """The error that a peer sent; of an unknown code, the base error."""
    error = ERRORS.get(code, ProtocolError)(text)
    error.facts.update(facts)
    return error
