"""All requests under way, driven without Blender and without waiting.

`pump` does what is due and returns; a timer calls it in a window, a loop without one. The ledger
has every request from `start` until it is over, so nothing is lost by a crash or a quit.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import NoPlace
from ..words import sentence_of
from .active_request import ActiveRequest
from .requests import RenderRequest, new_key
from .tasks import TaskState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .connection import Connection
    from .flows import FinishedMesh, FinishedTake
    from .ledger import Ledger
    from .requests import Request
    from .tasks import Task

    Place = Callable[[Request, FinishedMesh | FinishedTake], str]

__all__ = ["RequestRunner"]

_BUDGET_S = 0.003  # of a tick; Blender's main thread has other things to do


class RequestRunner:
    """`place` brings a finished result into Blender and returns what the artist should know; it
    raises NoPlace while there is no place for it."""

    def __init__(
        self,
        connection: Connection,
        ledger: Ledger,
        place: Place,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connection = connection
        self._ledger = ledger
        self._place = place
        self._clock = clock
        self._active = {request.key: self._new(request) for request in ledger.requests()}

    @property
    def tasks(self) -> list[Task]:
        """All requests, oldest first; those that are over stay until `dismiss`."""
        return [active.task for active in self._active.values()]

    @property
    def busy(self) -> bool:
        """Whether anything is still to be done."""
        return any(not task.over for task in self.tasks)

    def reads(self, folder: Path) -> bool:
        """Whether anything still to be done names a folder, or a file in it."""
        name = repr(str(folder))[1:-1]  # as a request's own words have it
        return any(name in repr(task.request) for task in self.tasks if not task.over)

    def start(self, request: Request) -> Task:
        """Begin a request; it is in the ledger when this returns. Raises OSError."""
        self._ledger.add(request)
        self._active[request.key] = active = self._new(request)
        return active.task

    def cancel(self, key: str) -> None:
        """Stop a request, if it is not over."""
        active = self._active.get(key)
        if active is not None and not active.task.over:
            active.cancel()

    def retry(self, key: str) -> None:
        """Begin a request that failed or was cancelled again, as a job of its own. Raises
        OSError."""
        active = self._active.get(key)
        if active is None or active.task.state not in (TaskState.FAILED, TaskState.CANCELLED):
            return
        self.start(replace(active.task.request, key=new_key()))
        del self._active[key]

    def dismiss(self, key: str) -> None:
        """Take a request that is over, or held, from the list."""
        active = self._active.get(key)
        if active is not None and (active.task.over or active.task.state is TaskState.HELD):
            self._ledger.remove(key)
            del self._active[key]

    def place_at(self, key: str, scene_id: str) -> None:
        """Place what is held in another scene than it was made for."""
        active = self._active.get(key)
        if active is None or active.task.state is not TaskState.HELD:
            return
        request = replace(active.task.request, scene_id=scene_id)
        if isinstance(request, RenderRequest):
            request = replace(request, sequencer_id=scene_id)
        else:
            request = replace(request, set_scene=False, set_parts="")  # asked of another scene
        self._ledger.add(request)
        active.task.request = request

    def begin_anew(self) -> None:
        """Begin all flows again: the client that had their commands is gone."""
        for active in self._active.values():
            active.rest()

    def close(self) -> None:
        """Stop all that runs here. The jobs go on at the server, and the ledger knows them."""
        works = [active.work for active in self._active.values() if active.work]
        self.begin_anew()
        self.connection.close()
        self._ledger.close()
        for work in works:
            work.stop(timeout_s=0.5)

    def pump(self) -> bool:
        """Take in news for a few milliseconds, let flows go on, and place at most one result;
        whether anything changed."""
        changed = self._take_news()
        for active in self._active.values():
            changed |= active.step()
            if active.task.over:
                self._ledger.remove(active.task.request.key)
        placed = any(self._put_in_place(active) for active in self._active.values())
        return placed or changed

    def _take_news(self) -> bool:
        until_s = time.perf_counter() + _BUDGET_S
        changed = False
        while time.perf_counter() < until_s:
            news = self.connection.next_news()
            if news is None:
                break
            changed = True
            for active in self._active.values():
                active.take(news)
        return changed

    def _put_in_place(self, active: ActiveRequest) -> bool:
        """Place a finished result; what finds no place is tried again with every tick."""
        if active.finished is None:
            return False
        try:
            notes = self._place(active.task.request, active.finished)
        except NoPlace as error:
            changed = active.task.state is not TaskState.HELD
            active.task.state, active.task.text = TaskState.HELD, str(error)
            return changed
        except Exception as failure:  # costs this request at most, never the timer
            active.end(TaskState.FAILED, sentence_of(failure))
        else:
            active.end(TaskState.DONE, notes)
        self._ledger.remove(active.task.request.key)
        return True

    def _new(self, request: Request) -> ActiveRequest:
        return ActiveRequest(request, self.connection, self._clock)
