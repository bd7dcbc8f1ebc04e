"""A client that never makes its owner wait: one daemon thread owns the sockets.

Commands go in by a queue and return a token; news come out by `news`, a `queue.SimpleQueue`, and
name the token. It connects by itself, and again after a loss; keys or versions that do not fit
end the attempts until `reconnect`.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from .backoff import Backoff
from .client import Client, Timeouts
from .errors import LinkError, ProtocolError
from .jobs import FINAL_STATES
from .news import Connected, Disconnected, Done, Failed, Happened, Progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .jobs import BlobId, Job, JobInfo
    from .link import Link
    from .news import News
    from .wire import Address

__all__ = ["BackgroundClient"]

_IDLE_S = 1.0
_PROGRESS_S = 0.1  # 10 a second


@dataclass(frozen=True)
class _Command:
    token: int
    run: Callable[[Client], Any]


class _Stopped(BaseException):
    """Ends whatever the thread is in; no handler of errors may catch it."""


class BackgroundClient:
    """Use as a context manager, or `start` and `stop`. The methods never wait; short commands go
    ahead of uploads and downloads, which go one after the other."""

    def __init__(
        self,
        address: Address,
        *,
        name: str = "EX-4D client",
        version: str = "0.1.0",
        timeouts: Timeouts | None = None,
    ) -> None:
        self.news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._address = address
        self._name = name
        self._version = version
        self._timeouts = timeouts or Timeouts()
        self._tokens = itertools.count(1)
        self._short: queue.SimpleQueue[_Command] = queue.SimpleQueue()
        self._bulk: queue.SimpleQueue[_Command] = queue.SimpleQueue()
        self._dropped: set[int] = set()
        self._watched: dict[str, int] = {}  # job -> sequence of the last event
        self._stopping = threading.Event()
        self._retry = threading.Event()
        self._backoff = Backoff()
        self._greeted: Link | None = None
        self._in_short = False
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="EX-4D network", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the thread, which connects."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> bool:
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

    def ping(self) -> int:
        """Ask whether the server's program answers; Done has the seconds."""
        return self._put(lambda client: client.ping())

    def status(self) -> int:
        """Ask how the server is; Done has a Status."""
        return self._put(lambda client: client.status())

    def submit(self, job: Job, *, key: str, label: str = "") -> int:
        """Hand in a job; Done has its JobInfo."""
        return self._put(lambda client: client.submit(job, key=key, label=label))

    def cancel(self, job_id: str) -> int:
        """Ask that a job stop; Done has its JobInfo."""
        return self._put(lambda client: client.cancel(job_id))

    def release(self, job_id: str) -> int:
        """Let the server remove a finished job's results; Done has its JobInfo."""
        return self._put(lambda client: client.release(job_id))

    def job(self, job_id: str) -> int:
        """Ask for one job; Done has its JobInfo."""
        return self._put(lambda client: client.job(job_id))

    def jobs(self) -> int:
        """Ask for all jobs; Done has a list of JobInfo."""
        return self._put(lambda client: client.jobs())

    def watch(self, job_id: str, since: int = 0) -> int:
        """Have the events of a job told as Happened, until it is over; Done has its JobInfo."""
        return self._put(lambda client: self._watch(client, job_id, since))

    def upload(self, path: str | Path) -> int:
        """Send a file; Done has its BlobId."""
        token = next(self._tokens)
        progress = self._progress(token)
        return self._put(lambda client: client.upload(path, on_progress=progress), token)

    def download(self, blob: BlobId, target: Path) -> int:
        """Get a file; Done has its path."""
        token = next(self._tokens)
        progress = self._progress(token)
        return self._put(lambda client: client.download(blob, target, on_progress=progress), token)

    def drop(self, token: int) -> None:
        """Do not begin a command that still waits; it gets no more news."""
        self._dropped.add(token)

    def _put(self, run: Callable[[Client], Any], bulk_token: int | None = None) -> int:
        token = bulk_token or next(self._tokens)
        (self._bulk if bulk_token else self._short).put(_Command(token, run))
        self._wake()
        return token

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
            command = self._bulk.get_nowait()
        except queue.Empty:
            link = client.conversation.current
            try:
                client.conversation.pump(_IDLE_S, link)
            except LinkError as error:
                if client.conversation.current is link:  # else a command made a new one
                    self._lost(client, error, 0.0)
        else:
            self._do(client, command)

    def _idle(self, client: Client) -> None:
        """What the thread does between any two waits: commands that are short, and events."""
        if self._stopping.is_set():
            raise _Stopped
        with contextlib.suppress(BlockingIOError):
            self._wake_out.recv(4096)
        self._tell_events(client)
        if self._in_short or not client.conversation.connected:
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

    def _do(self, client: Client, command: _Command) -> None:
        if command.token in self._dropped:
            self._dropped.discard(command.token)
            return
        try:
            value = command.run(client)
        except (ProtocolError, OSError) as error:
            self.news.put(Failed(command.token, error))
        else:
            self.news.put(Done(command.token, value))
            self._tell_events(client)

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
            client.subscribe(job_id, since)

    def _lost(self, client: Client, error: ProtocolError, retry_s: float | None) -> None:
        """Tell, and wait until the next attempt (None: until `reconnect`)."""
        client.conversation.drop()
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

    def _watch(self, client: Client, job_id: str, since: int) -> JobInfo:
        info = client.subscribe(job_id, since)
        self._watched[job_id] = since
        return info

    def _tell_events(self, client: Client) -> None:
        for job_id in list(self._watched):
            for event in client.take_events(job_id):
                if event.sequence > self._watched.get(job_id, event.sequence):
                    self._watched[job_id] = event.sequence
                    self.news.put(Happened(event))
                    if event.state in FINAL_STATES:
                        self._watched.pop(job_id, None)

    def _progress(self, token: int) -> Callable[[int, int], None]:
        told_s = -1.0

        def tell(done: int, total: int) -> None:
            nonlocal told_s
            now_s = time.monotonic()
            if done == total or now_s - told_s >= _PROGRESS_S:
                told_s = now_s
                self.news.put(Progress(token, done, total))

        return tell
