"""Answers and errors as the frames of one of a server's sockets."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

from .. import codec
from ..errors import ProtocolError

if TYPE_CHECKING:
    from ..messages import Message

__all__ = ["Which", "encoded", "failure_of"]

_log = logging.getLogger("ex4d.server.front")
Which = Literal["control", "data"]


def encoded(which: Which, message: Message) -> list[codec.Buffer]:
    """The frames of a message; of one that breaks a limit, those of a failure."""
    try:
        if which == "control":
            return [codec.encode_control(message)]
        return codec.encode_data(message)
    except ProtocolError as error:
        _log.error("an answer cannot be sent: %s", error.text)
        return [codec.encode_control(codec.failure_of(getattr(message, "reply_to", 0), error))]


def failure_of(number: int, error: Exception) -> Message:
    """What to tell of an error; of one that nobody has foreseen, only that the log has it."""
    if not isinstance(error, ProtocolError):
        _log.error("a request could not be answered", exc_info=error)
        error = ProtocolError("The server could not do this; its log says why.")
    return codec.failure_of(number, error)
