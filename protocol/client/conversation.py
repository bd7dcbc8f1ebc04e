"""Requests and their answers over a connection that may be lost and made again."""

from __future__ import annotations

import itertools
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import zmq

from .. import codec
from ..errors import InvalidMessage, LinkError, TimedOut
from ..limits import MAJOR, MINOR, STALL_S
from ..messages import Event, Failure, Hello, Message, Preview
from .backoff import Backoff
from .link import Link

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from ..messages import Welcome
    from ..wire import Address

__all__ = ["POLL_S", "Conversation", "Timeouts"]

_CAPABILITIES = ["reconstruct", "conditions", "generate", "shot"]
POLL_S = 0.05

_Reply = TypeVar("_Reply", bound=Message)


@dataclass(frozen=True)
class Timeouts:
    """How long a client waits, in seconds."""

    connect_s: float = 5.0  # C1: one attempt
    reply_s: float = 30.0  # a request, with all its attempts
    resend_s: float = 5.0  # until it is sent again
    stall_s: float = STALL_S  # a transfer without news, until a new connection is made
    patience_s: float = 120.0  # a transfer without a byte, until it fails
    finish_s: float = 300.0  # the server's check of a whole file


class Conversation:
    """Belongs to one thread. Requests are safe to send twice, so a lost connection costs time
    and nothing else: it is made again and the request sent again, until the deadline.

    `on_idle` is called often during every wait; it may make requests itself, and what it raises
    ends the wait. `pause` waits between two attempts to connect.
    """

    def __init__(
        self,
        address: Address,
        *,
        name: str,
        version: str,
        timeouts: Timeouts,
        on_idle: Callable[[], None] | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.timeouts = timeouts
        self._address = address
        self._name = name
        self._version = version
        self._on_idle = on_idle
        self._pause = pause
        self._numbers = itertools.count(1)
        self._client_id = uuid.uuid4().hex
        self._context: zmq.Context[Any] = zmq.Context()
        self.current: Link | None = None
        self._descriptor: int | None = None
        self._replies: dict[int, Message | None] = {}  # None: still waited for
        self.events: dict[str, deque[Event]] = {}
        self.previews: dict[str, Preview | None] = {}  # the latest, of jobs that were asked for
        self.welcome: Welcome | None = None
        self.backoff = Backoff()
        self.asked_again = (
            False  # the last request was sent more than once: no answer came at first
        )

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self.current is not None

    def connect(self) -> Welcome:
        """Connect once, if there is no connection. Raises LinkError, SecurityError and
        VersionMismatch, each within `connect_s`."""
        if self.current is None:
            hello = Hello(
                id=self.number(),
                major=MAJOR,
                minor=MINOR,
                client_id=self._client_id,
                client_name=self._name,
                client_version=self._version,
                capabilities=_CAPABILITIES,
            )
            self.current = Link(
                self._context,
                self._address,
                hello,
                timeout_s=self.timeouts.connect_s,
                on_wait=self.idle,
            )
            if self._descriptor is not None:
                self.current.watch(self._descriptor)
            self.backoff.reset()
            self.welcome = self.current.welcome
        return self.current.welcome

    def close(self) -> None:
        """Close everything at once; what is not sent is dropped (LINGER 0)."""
        self.drop()
        self._context.term()

    def drop(self) -> None:
        """Give up the connection; the next request makes another."""
        if self.current is not None:
            self.current.close()
            self.current = None

    def number(self) -> int:
        """A number that no message of this client had."""
        return next(self._numbers)

    def link(self, deadline_s: float) -> Link:
        """The connection, made anew if it was lost; attempts end at the deadline (monotonic).

        Raises LinkError then, and SecurityError and VersionMismatch at once.
        """
        while True:
            try:
                self.connect()
            except LinkError:
                wait_s = self.backoff.next_s()
                if time.monotonic() + wait_s >= deadline_s:
                    raise
                self.pause(wait_s)
            if self.current is not None:
                return self.current

    def pause(self, seconds: float) -> None:
        """Wait between two attempts."""
        self.idle()
        self._pause(seconds)

    def idle(self) -> None:
        """Let the owner do what is short."""
        if self._on_idle is not None:
            self._on_idle()

    def pump(self, wait_s: float, link: Link | None) -> None:
        """Take in what arrives. Raises LinkError when `link` is not the connection any more."""
        self.idle()
        if link is None or link is not self.current:
            raise LinkError("The connection was made anew.")
        link.pump(wait_s)
        while link.control:
            message = link.control.popleft()
            if isinstance(message, Event):
                if message.job_id in self.events:
                    self.events[message.job_id].append(message)
            elif isinstance(message, Preview):
                if message.job_id in self.previews:
                    self.previews[message.job_id] = message
            elif (number := getattr(message, "reply_to", 0)) in self._replies:
                self._replies[number] = message

    def watch(self, descriptor: int) -> None:
        """Let waits end early when a file descriptor is readable."""
        self._descriptor = descriptor
        if self.current is not None:
            self.current.watch(descriptor)

    def ask(self, message: Message, kind: type[_Reply]) -> _Reply:
        """Send a request until it is answered. Raises what the answer says, or LinkError."""
        number: int = message.id  # type: ignore[attr-defined]  # every request has one
        codec.encode_control(message)  # too large: said before a connection is made
        deadline_s = time.monotonic() + self.timeouts.reply_s
        self._replies[number] = None
        self.asked_again = False
        try:
            while True:
                try:
                    reply = self._ask_once(message, number, deadline_s)
                    break
                except LinkError as error:
                    self.asked_again = True
                    if not isinstance(error, TimedOut):
                        self.drop()
                    if time.monotonic() >= deadline_s:
                        raise
        finally:
            del self._replies[number]
        if isinstance(reply, Failure):
            raise codec.error_of(reply)
        if not isinstance(reply, kind):
            raise InvalidMessage(f"The server answered with {type(reply).__name__}.")
        return reply

    def _ask_once(self, message: Message, number: int, deadline_s: float) -> Message:
        link = self.link(deadline_s)
        link.send_control(message)
        resend_s = min(deadline_s, time.monotonic() + self.timeouts.resend_s)
        while time.monotonic() < resend_s:
            self.pump(POLL_S, link)
            if reply := self._replies[number]:
                return reply
        raise TimedOut("The server does not answer.", type=type(message).__name__)
