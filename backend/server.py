"""The server: one thread that owns the sockets and the job service and never waits for a job."""

from __future__ import annotations

import math
import signal
import socket
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import zmq

from backend.attachments import Attachments
from backend.journal.holdings import owner_of
from backend.log import JobLog
from backend.store.uploads import UploadStore
from protocol import codec
from protocol.errors import UnexpectedMessage
from protocol.messages import (
    Accepted,
    Attach,
    Attached,
    Cancel,
    GetJob,
    GetJobs,
    GetStatus,
    OneJob,
    Release,
    Resume,
    Status,
    Submit,
    WorkerInfo,
)
from protocol.server import ServerSockets
from protocol.server.descriptors import raise_limit
from protocol.trajectory import check_job

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from backend.service import JobService
    from protocol.messages import ControlMessage, Message
    from protocol.server import Session, SocketSettings

__all__ = ["Server"]

_PAGE = 200  # jobs in one message


class Server:
    """Serves until it is told to stop. Raises what ServerSockets raises when it cannot listen."""

    def __init__(self, service: JobService, settings: SocketSettings) -> None:
        self._service = service
        self._encrypted = settings.keys is not None
        self._began_s = time.monotonic()
        self._log = JobLog("server")
        self._attachments = Attachments(service)
        self._stops_asked = self._stops_obeyed = 0
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._context: zmq.Context[Any] = zmq.Context()
        try:
            store = UploadStore(service.blobs, service.journal.holdings, service.settings)
            self._sockets = ServerSockets(
                self._context, settings, store, self._answer, durability=service.journal.sync
            )
        except BaseException:
            self._close()
            raise
        self.endpoint = self._sockets.routers.endpoint

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
                self._sockets.serve()
                self._service.shown = self._attachments.shown
                self._service.step()
                with self._service.guard("telling the clients"):
                    self._attachments.tell(self._sockets)
        finally:
            self._sockets.close()  # first: a file that is whole by now goes into the store
            self._service.close()

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
        for router in self._sockets.sockets():
            poller.register(router, zmq.POLLIN)
        for number in (
            *(self._wake_out.fileno(), *self._sockets.filenos(), *self._service.filenos()),
        ):
            poller.register(number, zmq.POLLIN)
        parts = self._sockets, self._service, self._attachments
        wait_s = min(part.timeout_s() for part in parts)
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
                self._attachments.add(session, message)
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
            transfers=len(self._sockets.transfers.uploads),
            connections=len(self._sockets.sessions),
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


def _kept(count: int) -> str:
    return f"{count} jobs that have ended are kept."
