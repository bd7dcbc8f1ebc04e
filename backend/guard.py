"""The one handler of the service's step: nothing that fails in a part of it ends the server."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from backend.errors import FolderLost
from backend.log import JobLog
from backend.text import without_folders
from protocol.errors import Busy, DiskFull

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["PASSING", "Guard"]

# What may be right again without anybody's doing here: another program's lock, a full disk, no
# free descriptor, a disk that does not answer, a folder that is not there just now.
PASSING = (Busy, DiskFull, FolderLost, OSError, sqlite3.Error)
_RETRY_S = 1.0
_SAY_AGAIN_S = 60.0


class _Trouble:
    """Something that goes wrong again and again."""

    def __init__(self, *, is_tried_again: bool) -> None:
        self.is_tried_again = is_tried_again
        self.again_at_s = float("-inf")
        self.said_at_s = float("-inf")
        self.times = 0
        self.text = ""


class Guard:
    """Runs parts of a step. One that fails rests for a second; the log hears of it once a minute.

    Inside, `failed` tells what was wrong the last time.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._log = JobLog()
        self._troubles: dict[str, _Trouble] = {}

    def rests(self, what: str) -> bool:
        """Whether a part has failed less than a second ago."""
        trouble = self._troubles.get(what)
        return trouble is not None and self._clock() < trouble.again_at_s

    @contextmanager
    def __call__(
        self, what: str, job: str = "-", *, is_tried_again: bool = True
    ) -> Iterator[list[Exception]]:
        """Run the block; what it raises is in the list that it gets, afterwards. What is not
        tried again has no deadline and is no problem that lasts: only the log hears of it."""
        raised: list[Exception] = []
        try:
            yield raised
        except Exception as error:  # the one handler
            raised.append(error)
            trouble = self._troubles.setdefault(what, _Trouble(is_tried_again=is_tried_again))
            self._note(trouble, what, job, error)
        else:
            if self._troubles.pop(what, None) is not None:
                self._log.info(f"{what} works again", job)

    def deadline_s(self) -> float | None:
        """When a part that has failed is to be tried again."""
        return min((trouble.again_at_s for trouble in self._lasting()), default=None)

    def problems(self) -> list[str]:
        """What is wrong now, in words without the server's paths."""
        return [trouble.text for trouble in self._lasting()]

    def forget(self, what: str) -> None:
        """Take note that a part is not tried again."""
        self._troubles.pop(what, None)

    def _lasting(self) -> list[_Trouble]:
        return [trouble for trouble in self._troubles.values() if trouble.is_tried_again]

    def _note(self, trouble: _Trouble, what: str, job: str, error: Exception) -> None:
        now_s = self._clock()
        trouble.again_at_s = now_s + _RETRY_S
        trouble.times += 1
        text = error.text if isinstance(error, Busy | DiskFull) else str(error)
        trouble.text = without_folders(f"{what}: {text}")
        if now_s < trouble.said_at_s + _SAY_AGAIN_S:
            return
        trouble.said_at_s = now_s
        facts = {"kind": type(error).__name__, "times": trouble.times}
        if isinstance(error, PASSING):
            again = " and is tried again" if trouble.is_tried_again else ""
            self._log.warning(f"{what} failed{again}: {text}", job, **facts)
        else:
            self._log.fault(f"{what} failed: {text}", job, error=error, **facts)
