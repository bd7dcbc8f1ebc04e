"""Answers and errors as the frames of one of a server's sockets."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import zmq

from .. import codec
from ..errors import ProtocolError
from .rare_log import RareLog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..messages import Message

__all__ = ["Answers", "Which"]

_log = logging.getLogger("ex4d.server.sockets")
Which = Literal["control", "data"]


class Answers:
    """Turns messages and exceptions into what can be sent; tells the log what cannot."""

    def __init__(self) -> None:
        self.told = RareLog(_log)

    def frames(self, which: Which, message: Message) -> list[codec.Buffer]:
        """The frames of a message; of one that breaks a limit, those of a failure."""
        try:
            if which == "control":
                return [codec.encode_control(message)]
            return codec.encode_data(message)
        except ProtocolError as error:
            self.told.warning("answers", "an answer cannot be sent: %s", error.text)
            number = getattr(message, "reply_to", 0)
            return [codec.encode_control(codec.failure_of(number, error))]

    def failure(self, number: int, error: Exception) -> Message:
        """What to tell of an error; of one that nobody has foreseen, only that the log has it."""
        if not isinstance(error, ProtocolError):
            text = "a request could not be answered"
            self.told.warning("faults", text, error=error)
            error = ProtocolError("The server could not do this; its log says why.")
        error.facts.pop("path", None)  # of the server's disk, which is no client's business
        return codec.failure_of(number, error)

    @contextmanager
    def surviving(self, what: str) -> Iterator[None]:
        """Log what the block raises: no file and no peer ends the server (H8)."""
        try:
            yield
        except zmq.ZMQError:
            raise  # without its sockets there is no server
        except Exception as error:
            self.told.warning(what, "%s could not be seen to", what, error=error)
