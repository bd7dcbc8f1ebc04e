"""A thread for what a disk keeps waiting: hashing, writing, syncing."""

from __future__ import annotations

import queue
import socket
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DiskThread"]

_T = TypeVar("_T")


@dataclass(frozen=True)
class _Work(Generic[_T]):
    do: Callable[[], _T]
    then: Callable[[_T | Exception], None]

    def run(self) -> Callable[[], None]:
        """Do it; what is left for the owner's thread."""
        try:
            result: _T | Exception = self.do()
        except Exception as error:  # the owner decides what it costs
            result = error
        return lambda: self.then(result)


class DiskThread:
    """Does one piece of work after the other, in the order of `put`; `take` then hands out the
    results in the owner's thread, to which everything but the work itself belongs."""

    def __init__(self, name: str) -> None:
        self._work: queue.SimpleQueue[_Work[object] | None] = queue.SimpleQueue()
        self._done: deque[Callable[[], None]] = deque()
        self._is_closing = False
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """What is readable when `take` has something to hand out."""
        return self._wake_out.fileno()

    def put(self, do: Callable[[], _T], then: Callable[[_T | Exception], None]) -> None:
        """Have something done, in a fraction of a second; `then` gets what it returned or raised.
        After `close` has begun nothing more is done."""
        self._work.put(_Work(do, then))  # type: ignore[arg-type]  # of any type, one at a time

    def put_close(self, close: Callable[[], None]) -> None:
        """Have a file closed after whatever is done with it; it always is."""
        self._work.put(_Close(close))  # type: ignore[arg-type]  # see `put`

    def take(self) -> None:
        """Hand out what is done by now."""
        with suppress(BlockingIOError):
            self._wake_out.recv(4096)
        while self._done:
            self._done.popleft()()

    def close(self) -> None:
        """Finish what is under way, drop what has not begun, close files, and end the thread."""
        self._is_closing = True
        self._work.put(None)
        self._thread.join()
        self.take()
        with suppress(queue.Empty):  # what handing out has put in
            while True:
                if isinstance(work := self._work.get_nowait(), _Close):
                    work.run()
        self._wake_in.close()
        self._wake_out.close()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            if self._is_closing and not isinstance(work, _Close):
                continue
            self._done.append(work.run())
            with suppress(BlockingIOError):  # full: the owner is awake
                self._wake_in.send(b"!")


class _Close(_Work[None]):
    """Work that is done in any case."""

    def __init__(self, close: Callable[[], None]) -> None:
        super().__init__(close, lambda result: None)
