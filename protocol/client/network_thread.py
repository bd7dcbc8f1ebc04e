"""The thread behind a BackgroundClient: it owns the sockets and does one command after the other.

Short commands go ahead of transfers, also of one that runs: they are done between any two of its
waits. It connects by itself, and again after a loss.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import LinkError, ProtocolError, Refused
from ..messages.jobs import FINAL_STATES
from . import Client, Timeouts
from .backoff import Backoff
from .news import Connected, Disconnected, Done, Failed, JobChanged, Previewed, Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..messages.jobs import JobInfo
    from ..wire import Address
    from .link import Link
    from .news import News

__all__ = ["Command", "NetworkThread"]

_IDLE_S = 1.0
_PROGRESS_S = 0.1  # 10 a second


@dataclass(frozen=True)
class Command:
    """What the thread shall do with its client; the news of it name the token."""

    token: int
    run: Callable[[Client], Any]
    is_transfer: bool = False


class _Stopped(BaseException):
    """Ends whatever the thread is in; no handler of errors may catch it."""


class _Dropped(BaseException):
    """Ends the transfer that the thread is in."""


class NetworkThread:
    """Puts what happens into `news`. `start`, `stop`, `put`, `drop` and `reconnect` are for other
    threads and never wait, but for `stop`; `watch` and `progress` are for commands."""

    def __init__(self, address: Address, *, name: str, version: str, timeouts: Timeouts) -> None:
        self.news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._address = address
        self._name = name
        self._version = version
        self._timeouts = timeouts
        self._short: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._transfers: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._in_short = False
        self._transfer = 0  # token of the one that runs; none: 0
        self._unanswered: set[int] = set()  # tokens
        self._dropped: set[int] = set()
        self._telling = threading.Lock()
        self._watched: dict[str, int] = {}  # job -> sequence of the last event
        self._stopping = threading.Event()
        self._retry = threading.Event()
        self._backoff = Backoff()
        self._greeted: Link | None = None
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="EX-4D network", daemon=True)

    def start(self) -> None:
        """Begin, which connects."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """End the thread, whatever it does, and wait for it; whether it ended in time."""
        self._stopping.set()
        self._wake()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        ended = not self._thread.is_alive()
        if ended:
            self._wake_in.close()
            self._wake_out.close()
        return ended

    def reconnect(self) -> None:
        """Try to connect now, also after an error that ended the attempts."""
        self._retry.set()
        self._wake()

    def put(self, command: Command) -> None:
        """Have a command done."""
        self._unanswered.add(command.token)
        (self._transfers if command.is_transfer else self._short).put(command)
        self._wake()

    def drop(self, token: int) -> None:
        """Do not begin a command, or end it when it is a transfer; no more news of it."""
        with self._telling:  # so that none comes after this returns
            if token in self._unanswered:
                self._dropped.add(token)
        self._wake()

    def watch(self, client: Client, job_id: str, since: int) -> JobInfo:
        """Tell the events of a job from now on, until it is over."""
        info = client.subscribe(job_id, since, previews=True)
        self._watched[job_id] = since
        return info

    def progress(self, token: int) -> Callable[[int, int], None]:
        """What a transfer calls with the bytes that are done and all of them."""
        told_s = -1.0

        def tell(done: int, total: int) -> None:
            nonlocal told_s
            self._end_if_dropped()
            now_s = time.monotonic()
            if done == total or now_s - told_s >= _PROGRESS_S:
                told_s = now_s
                self._answer(Progress(token, done, total))

        return tell

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it is awake; closed: it is gone
            self._wake_in.send(b"!")

    def _run(self) -> None:
        client = Client(
            self._address,
            name=self._name,
            version=self._version,
            timeouts=self._timeouts,
            on_idle=lambda: self._idle(client),
            pause=self._pause,
        )
        client.conversation.watch(self._wake_out.fileno())
        try:
            while True:
                self._step(client)
        except _Stopped:
            pass
        finally:
            client.close()

    def _step(self, client: Client) -> None:
        """Connect if need be, then do the next transfer or wait for something to happen."""
        self._connect(client)
        try:
            command = self._transfers.get_nowait()
        except queue.Empty:
            link = client.conversation.current
            try:
                client.conversation.pump(_IDLE_S, link)
            except LinkError as error:
                if client.conversation.current is link:  # else a command made a new one
                    self._lost(client, error, 0.0)
            except ProtocolError as error:  # what came cannot be read
                self._lost(client, error, self._backoff.next_s())
        else:
            self._do_transfer(client, command)

    def _do_transfer(self, client: Client, command: Command) -> None:
        self._transfer = command.token
        try:
            self._do(client, command)
        except _Dropped:
            # A new connection, for a window of chunks is still on its way in the old one.
            client.conversation.drop()
            self._greeted = None  # no loss to tell of
        finally:
            self._transfer = 0

    def _idle(self, client: Client) -> None:
        """What the thread does between any two waits: commands that are short, and events."""
        if self._stopping.is_set():
            raise _Stopped
        with contextlib.suppress(BlockingIOError):
            self._wake_out.recv(4096)
        self._tell_events(client)
        if self._in_short:
            return
        self._end_if_dropped()
        if not client.conversation.connected:
            if self._greeted is not None:  # lost within a command, which goes on by itself
                self._greeted = None
                self.news.put(Disconnected(LinkError("The connection was lost."), 0.0))
            return
        self._in_short = True
        try:
            self._greet(client)
            while True:
                self._do(client, self._short.get_nowait())
        except queue.Empty:
            pass
        finally:
            self._in_short = False

    def _do(self, client: Client, command: Command) -> None:
        news: Done | Failed | None = None
        try:
            if command.token not in self._dropped:
                news = Done(command.token, command.run(client))
        except Exception as error:  # costs the command at most, never the thread
            news = Failed(command.token, error)
        finally:
            if news is not None:
                self._answer(news)
            self._unanswered.discard(command.token)
            self._dropped.discard(command.token)
        self._tell_events(client)

    def _answer(self, news: Done | Failed | Progress) -> None:
        with self._telling:
            if news.token not in self._dropped:
                self.news.put(news)

    def _end_if_dropped(self) -> None:
        if self._transfer in self._dropped:
            raise _Dropped

    def _connect(self, client: Client) -> None:
        while not client.conversation.connected:
            self._retry.clear()
            try:
                client.connect()
            except LinkError as error:
                self._lost(client, error, self._backoff.next_s())
            except ProtocolError as error:
                self._lost(client, error, None)

    def _greet(self, client: Client) -> None:
        """Take note of a new connection: tell, and go on watching where the last one ended."""
        link = client.conversation.current
        if link is None or link is self._greeted:
            return
        self._greeted = link
        self._backoff.reset()
        self.news.put(Connected(link.welcome))
        for job_id, since in list(self._watched.items()):
            try:
                client.subscribe(job_id, since, previews=True)
            except Refused:  # forgotten there; who asks for the job is told so
                self._watched.pop(job_id, None)

    def _lost(self, client: Client, error: ProtocolError, retry_s: float | None) -> None:
        """Tell, and wait until the next attempt (None: until `reconnect`)."""
        client.conversation.drop()
        self._greeted = None
        self.news.put(Disconnected(error, retry_s))
        until_s = None if retry_s is None else time.monotonic() + retry_s
        while not self._retry.is_set():
            left_s = _IDLE_S if until_s is None else until_s - time.monotonic()
            if left_s <= 0:
                return
            self._pause(min(_IDLE_S, left_s))

    def _pause(self, seconds: float) -> None:
        self._wake_out.settimeout(max(0.001, seconds))
        try:
            self._wake_out.recv(4096)
        except TimeoutError:
            pass
        finally:
            self._wake_out.setblocking(False)
        if self._stopping.is_set():
            raise _Stopped
        if not self._in_short:
            self._end_if_dropped()

    def _tell_events(self, client: Client) -> None:
        for job_id in list(self._watched):
            if preview := client.take_preview(job_id):
                self.news.put(Previewed.of(preview))
            for event in client.take_events(job_id):
                if event.sequence > self._watched.get(job_id, event.sequence):
                    self._watched[job_id] = event.sequence
                    self.news.put(JobChanged(event))
                    if event.state in FINAL_STATES:
                        self._watched.pop(job_id, None)
