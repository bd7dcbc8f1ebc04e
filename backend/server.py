"""The server: one thread that owns the sockets and the job service and never waits for a job."""

from __future__ import annotations

import math
import signal
import socket
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import zmq

from backend.holdings import owner_of
from backend.log import JobLog
from backend.upload_store import UploadStore
from protocol import codec
from protocol.errors import Busy, DiskFull, UnexpectedMessage, UnknownJob
from protocol.jobs import FINAL_STATES
from protocol.messages import (
    Accepted,
    Attach,
    Attached,
    Cancel,
    Event,
    GetJob,
    GetJobs,
    GetStatus,
    OneJob,
    Preview,
    Release,
    Resume,
    Status,
    Submit,
    WorkerInfo,
)
from protocol.serving import Front
from protocol.serving.descriptors import raise_limit
from protocol.trajectory import check_job

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from backend.service import JobService
    from backend.worker_messages import Previewed
    from protocol.jobs import JobInfo
    from protocol.messages import ControlMessage, Message
    from protocol.serving import FrontSettings, Session

__all__ = ["Server"]

_PAGE = 200  # jobs in one message
_LATE_S = 0.25  # between two tries to send events to a peer whose queue was full (H12)


class Server:
    """Serves until it is told to stop. Raises what Front raises when it cannot listen."""

    def __init__(self, service: JobService, settings: FrontSettings) -> None:
        self._service = service
        self._encrypted = settings.keys is not None
        self._began_s = time.monotonic()
        self._log = JobLog("server")
        self._attached: dict[tuple[str, str], int] = {}  # connection, job -> sequence told
        self._watchers: set[tuple[str, str]] = set()  # connection, job: preview pictures, too
        self._previews: dict[str, Previewed] = {}  # by job: not told yet
        self._news: set[str] = set()  # jobs with events that somebody may wait for
        self._late: set[str] = set()  # the same, of somebody whose queue was full
        self._late_at_s = 0.0  # when they are tried again
        self._stops_asked = self._stops_obeyed = 0
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        service.on_event = self._note
        service.on_preview = self._note_preview
        self._context: zmq.Context[Any] = zmq.Context()
        try:
            store = UploadStore(service.blobs, service.journal.holdings, service.settings)
            self._front = Front(self._context, settings, store, self._answer)
        except BaseException:
            self._close()
            raise
        self.endpoint = self._front.routers.endpoint

    def stop(self) -> None:
        """Ask the server to end. The first time running jobs are stopped and queued again for the
        next server, the second time they are killed."""
        self._stops_asked += 1
        with suppress(BlockingIOError):  # full of earlier ones
            self._wake_in.send(b"!")

    def run(self, signals: Collection[int] = ()) -> None:
        """Serve until `stop`, then end the workers and close. Each of these signals is a `stop`;
        they can be given in the main thread only."""
        try:
            with self._stopping_at(signals):
                self._serve()
        finally:
            self._close()
            self._log.info("stopped")

    def _serve(self) -> None:
        raise_limit()
        self._log.info("listening", endpoint=self.endpoint, encrypted=self._encrypted)
        try:
            while not (self._obey() and self._service.has_stopped):
                self._wait()
                self._front.serve()
                self._service.shown = {job_id for _, job_id in self._watchers}
                self._service.step()
                with self._service.guard("telling the clients"):
                    self._tell_previews()
                    self._tell()
        finally:
            self._service.close()
            self._front.close()

    @contextmanager
    def _stopping_at(self, signals: Collection[int]) -> Iterator[None]:
        if not signals:
            yield
            return
        handlers = {number: signal.signal(number, lambda *_: self.stop()) for number in signals}
        # A signal may reach another thread, and this one would sleep on: the system writes to the
        # descriptor before Python's handler runs.
        before = signal.set_wakeup_fd(self._wake_in.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _obey(self) -> bool:
        """Do what `stop` has asked for; whether it has."""
        while self._stops_obeyed < self._stops_asked:
            self._stops_obeyed += 1
            if self._stops_obeyed == 1:
                self._log.info("stopping")
                self._service.stop(drain=False)
            else:
                self._log.info("killing the workers")
                self._service.kill()
        return self._stops_obeyed > 0

    def _close(self) -> None:
        self._context.destroy(linger=0)
        self._wake_in.close()
        self._wake_out.close()

    def _wait(self) -> None:
        poller = zmq.Poller()
        for router in self._front.sockets():
            poller.register(router, zmq.POLLIN)
        for number in (
            *(self._wake_out.fileno(), *self._front.filenos(), *self._service.filenos()),
        ):
            poller.register(number, zmq.POLLIN)
        wait_s = min(self._front.timeout_s(), self._service.timeout_s())
        if self._late:
            wait_s = min(wait_s, _LATE_S)
        poller.poll(math.ceil(wait_s * 1000))
        with suppress(BlockingIOError):
            self._wake_out.recv(64)

    def _answer(self, session: Session, message: ControlMessage) -> Message:
        owner = owner_of(session.user)
        match message:
            case Submit():
                check_job(message.job)
                info, is_new = self._service.submit(owner, message.key, message.job, message.label)
                return Accepted(message.id, info, again=not is_new)
            case Cancel():
                return OneJob(message.id, self._service.cancel(owner, message.job_id))
            case Resume():
                return OneJob(message.id, self._service.resume(owner, message.job_id))
            case GetJob():
                return OneJob(message.id, self._service.get(owner, message.job_id))
            case Release():
                return OneJob(message.id, self._service.release(owner, message.job_id))
            case GetJobs():
                jobs = self._service.jobs(owner, after=message.after, limit=_PAGE + 1)
                return codec.job_page(message.id, jobs)
            case Attach():
                info = self._service.get(owner, message.job_id)
                key = session.connection, message.job_id
                self._attached[key] = message.since
                (self._watchers.add if message.previews else self._watchers.discard)(key)
                self._news.add(message.job_id)
                return Attached(message.id, info)
            case GetStatus():
                return self._status(message)
        raise UnexpectedMessage(f"A server takes no {type(message).__name__}.", field="type")

    def _status(self, message: GetStatus) -> Status:
        status = self._service.status()
        return Status(
            reply_to=message.id,
            uptime_s=time.monotonic() - self._began_s,
            queued=status.queued,
            running=status.running,
            transfers=len(self._front.desk.uploads),
            connections=len(self._front.sessions),
            stored_bytes=status.stored_bytes,
            free_bytes=status.free_bytes,
            encrypted=self._encrypted,
            accepting=status.accepting,
            text=" ".join((*status.notices, _kept(status.kept)))[:10_000],
            workers=[
                WorkerInfo(
                    name=worker.device,
                    device=worker.device,
                    healthy=not worker.problem,
                    job_id=worker.job_id,
                    text=worker.problem[:10_000],
                )
                for worker in status.workers
            ],
        )

    def _note(self, owner: str, info: JobInfo) -> None:
        """Remember that something happened to a job."""
        self._news.add(info.job_id)

    def _note_preview(self, preview: Previewed) -> None:
        """Remember a job's latest picture until the end of the round."""
        self._previews[preview.job_id] = preview

    def _tell_previews(self) -> None:
        """Send pictures to those who want them; whose queue is full misses this one."""
        if not self._previews:
            return
        previews, self._previews = self._previews, {}
        sessions = {session.connection: session for session in self._front.sessions.all()}
        self._watchers = {key for key in self._watchers if key[0] in sessions}
        for connection, job_id in self._watchers:
            if job_id in previews:
                self._front.push(sessions[connection], _picture(previews[job_id]))

    def _tell(self) -> None:
        """Send attached clients the events that they have not been told yet."""
        if self._late and time.monotonic() >= self._late_at_s:
            self._news |= self._late
            self._late.clear()
            self._late_at_s = time.monotonic() + _LATE_S
        if not self._news:
            return
        news, self._news = self._news, set()
        sessions = {session.connection: session for session in self._front.sessions.all()}
        for (connection, job_id), told in list(self._attached.items()):
            if connection not in sessions:
                del self._attached[connection, job_id]
            elif job_id in news and sessions[connection].full_since_s is not None:
                self._late.add(job_id)  # its queue is full: nothing is read for it meanwhile
            elif job_id in news:
                self._send_events(sessions[connection], job_id, told)

    def _send_events(self, session: Session, job_id: str, told: int) -> None:
        try:
            events = self._service.events_since(owner_of(session.user), job_id, told)
        except UnknownJob:  # released
            del self._attached[session.connection, job_id]
            return
        except (Busy, DiskFull):  # the journal cannot be read now
            self._late.add(job_id)
            return
        for info in events:
            if not self._front.push(session, _event(info)):
                self._late.add(job_id)  # its queue is full
                return
            self._attached[session.connection, job_id] = info.sequence
            if info.state in FINAL_STATES:
                self._watchers.discard((session.connection, job_id))


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


def _kept(count: int) -> str:
    return f"{count} jobs that have ended are kept."
