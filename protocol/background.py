"""A client that never makes its owner wait: one daemon thread owns the sockets.

Commands go in by a queue and return a token; news come out by `news`, a `queue.SimpleQueue`, and
name the token. It connects by itself, and again after a loss; keys or versions that do not fit
end the attempts until `reconnect`.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Self

from .client import Client, Timeouts
from .client.network_thread import Command, NetworkThread

if TYPE_CHECKING:
    import queue
    from collections.abc import Callable
    from pathlib import Path

    from .client.news import News
    from .messages.jobs import BlobId, Job
    from .wire import Address

__all__ = ["BackgroundClient"]


class BackgroundClient:
    """Use as a context manager, or `start` and `stop`. The methods never wait; short commands go
    ahead of uploads and downloads, which go one after the other."""

    def __init__(
        self,
        address: Address,
        *,
        name: str = "EX-4D client",
        version: str = "",
        timeouts: Timeouts | None = None,
    ) -> None:
        self._thread = NetworkThread(
            address, name=name, version=version, timeouts=timeouts or Timeouts()
        )
        self._tokens = itertools.count(1)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def news(self) -> queue.SimpleQueue[News]:
        """What has happened, oldest first."""
        return self._thread.news

    def start(self) -> None:
        """Start the thread, which connects."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """End the thread, whatever it does, and wait for it; whether it ended in time."""
        return self._thread.stop(timeout_s)

    def reconnect(self) -> None:
        """Try to connect now, also after an error that ended the attempts."""
        self._thread.reconnect()

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

    def resume(self, job_id: str) -> int:
        """Queue an interrupted job again; Done has its JobInfo."""
        return self._put(lambda client: client.resume(job_id))

    def release(self, job_id: str) -> int:
        """Let the server remove a finished job's results."""
        return self._put(lambda client: client.release(job_id))

    def job(self, job_id: str) -> int:
        """Ask for one job; Done has its JobInfo."""
        return self._put(lambda client: client.job(job_id))

    def jobs(self) -> int:
        """Ask for all jobs; Done has a list of JobInfo."""
        return self._put(lambda client: client.jobs())

    def watch(self, job_id: str, since: int = 0) -> int:
        """Have the events of a job told as JobChanged and its pictures as Previewed, until it is
        over; Done has its JobInfo."""
        return self._put(lambda client: self._thread.watch(client, job_id, since))

    def upload(self, path: str | Path) -> int:
        """Send a file; Done has its BlobId."""
        return self._put_transfer(lambda client, tell: client.upload(path, on_progress=tell))

    def download(self, blob: BlobId, target: Path) -> int:
        """Get a file; Done has its path."""
        return self._put_transfer(
            lambda client, tell: client.download(blob, target, on_progress=tell)
        )

    def drop(self, token: int) -> None:
        """Do not begin a command that still waits, and end a transfer that runs; there are no
        more news of it. What a transfer has sent or got stays, for the next one of that file."""
        self._thread.drop(token)

    def _put(self, run: Callable[[Client], Any]) -> int:
        token = next(self._tokens)
        self._thread.put(Command(token, run))
        return token

    def _put_transfer(self, run: Callable[[Client, Callable[[int, int], None]], Any]) -> int:
        token = next(self._tokens)
        tell = self._thread.progress(token)
        self._thread.put(Command(token, lambda client: run(client, tell), is_transfer=True))
        return token
