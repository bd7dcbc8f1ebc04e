"""Who is attached to which job, and what they have been told of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from backend.journal.holdings import owner_of
from protocol.errors import Busy, DiskFull, UnknownJob
from protocol.messages import Attach, Event, Preview
from protocol.messages.jobs import FINAL_STATES

if TYPE_CHECKING:
    from collections.abc import Collection

    from backend.service import JobService
    from backend.worker.messages import Previewed
    from protocol.messages.jobs import JobInfo
    from protocol.server import ServerSockets, Session

__all__ = ["Attachments"]

_TIDY_S = 5.0  # between two looks for connections that are gone
_LATE_S = 0.25  # between two tries to send events to a peer whose queue was full (H12)


class Attachments:
    """Tells attached connections of their jobs' events, and of preview pictures who asked for them.

    Hears of both from the service, at once; `tell` is called in each round of the server.
    """

    def __init__(self, service: JobService) -> None:
        self._service = service
        self._told: dict[tuple[str, str], int] = {}  # connection, job -> sequence
        self._watchers: set[tuple[str, str]] = set()  # connection, job: preview pictures, too
        self._previews: dict[str, Previewed] = {}  # by job: not told yet
        self._news: set[str] = set()  # jobs with events that somebody may wait for
        self._late: set[str] = set()  # the same, of somebody whose queue was full
        self._late_at_s = self._tidy_at_s = 0.0  # when they are tried again; when `_tidy` is due
        service.on_event = self._note
        service.on_preview = self._note_preview

    @property
    def shown(self) -> Collection[str]:
        """The jobs whose preview pictures somebody wants."""
        return {job_id for _, job_id in self._watchers}

    def timeout_s(self) -> float:
        """How long `tell` need not be called while nothing happens."""
        return _LATE_S if self._late else _TIDY_S

    def add(self, session: Session, message: Attach) -> None:
        """Tell a connection of a job from now on."""
        key = session.connection, message.job_id
        self._told[key] = message.since
        (self._watchers.add if message.previews else self._watchers.discard)(key)
        self._news.add(message.job_id)

    def tell(self, sockets: ServerSockets) -> None:
        """Send what connections have not been told yet."""
        now_s = time.monotonic()
        is_late_due = bool(self._late) and now_s >= self._late_at_s
        if not (self._news or self._previews or is_late_due or now_s >= self._tidy_at_s):
            return
        sessions = {session.connection: session for session in sockets.sessions.all()}
        if now_s >= self._tidy_at_s:
            self._tidy_at_s = now_s + _TIDY_S
            self._watchers = {key for key in self._watchers if key[0] in sessions}
            self._told = {key: told for key, told in self._told.items() if key[0] in sessions}
        self._tell_previews(sockets, sessions)
        if is_late_due:
            self._news |= self._late
            self._late.clear()
            self._late_at_s = now_s + _LATE_S
        news, self._news = self._news, set()
        for (connection, job_id), told in list(self._told.items()):
            session = sessions.get(connection)
            if session is None or job_id not in news:
                continue
            if session.full_since_s is not None:  # nothing is read for it meanwhile
                self._late.add(job_id)
            else:
                self._send_events(sockets, session, job_id, told)

    def _note(self, owner: str, info: JobInfo) -> None:
        self._news.add(info.job_id)

    def _note_preview(self, preview: Previewed) -> None:
        self._previews[preview.job_id] = preview

    def _tell_previews(self, sockets: ServerSockets, sessions: dict[str, Session]) -> None:
        """Who has no room for a picture misses it."""
        previews, self._previews = self._previews, {}
        for connection, job_id in self._watchers if previews else ():
            if job_id in previews and connection in sessions:
                sockets.push(sessions[connection], _picture(previews[job_id]))

    def _send_events(
        self, sockets: ServerSockets, session: Session, job_id: str, told: int
    ) -> None:
        key = session.connection, job_id
        try:
            events = self._service.events_since(owner_of(session.user), job_id, told)
        except UnknownJob:  # released
            self._forget(key)
            return
        except (Busy, DiskFull):  # the journal cannot be read now
            self._late.add(job_id)
            return
        for info in events:
            if not sockets.push(session, _event(info)):
                self._late.add(job_id)  # its queue is full
                return
            self._told[key] = info.sequence
            if info.state in FINAL_STATES:  # nothing more will happen
                self._forget(key)
                return

    def _forget(self, key: tuple[str, str]) -> None:
        self._told.pop(key, None)
        self._watchers.discard(key)


def _picture(preview: Previewed) -> Preview:
    return Preview(preview.job_id, preview.width, preview.height, preview.frames, preview.data)


def _event(info: JobInfo) -> Event:
    return Event(
        job_id=info.job_id,
        sequence=info.sequence,
        state=info.state,
        stage=info.stage,
        done=info.done,
        total=info.total,
        text=info.error_text,
    )
