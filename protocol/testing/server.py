"""A server in a thread that speaks the whole protocol over real sockets, with jobs in memory."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

import zmq

from .. import codec
from ..errors import ProtocolError, UnexpectedMessage
from ..messages import (
    Accepted,
    Attach,
    Attached,
    Cancel,
    EngineInfo,
    GetJob,
    GetJobs,
    GetStatus,
    Limits,
    OneJob,
    Release,
    Resume,
    Status,
    Submit,
)
from ..messages.jobs import JobState
from ..server import ServerSockets, SocketSettings
from ..trajectory import check_job
from .fake_jobs import FakeJobs
from .store import FolderStore

if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from pathlib import Path

    from ..keys import KeyPair
    from ..messages import ControlMessage, Message
    from ..server import Session
    from ..server.answers import Which
    from ..server.routers import Received

__all__ = ["FakeServer"]

_TICK_MS = 20  # how soon events of FakeJobs and `stop` are noticed


class FakeServer:
    """Runs from `with` to its end. `jobs` is moved by the test, `store` holds the files.

    With `keys` it is encrypted and lets in who is in `authorised`, which may change at any time.
    `port` 0 takes a free one; give the same again to restart it. `counts` counts messages by type.
    """

    def __init__(
        self,
        root: Path,
        *,
        keys: KeyPair | None = None,
        authorised: Container[str] = (),
        ports: tuple[int, int] = (0, 0),
        limits: Limits | None = None,
        jobs: FakeJobs | None = None,
    ) -> None:
        self.jobs = jobs or FakeJobs()
        self.store = FolderStore(root)
        self._authorised = authorised
        self._encrypted = keys is not None
        self._began_s = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="FakeServer", daemon=True)
        self._context: zmq.Context[Any] = zmq.Context()
        settings = SocketSettings(
            bind=f"tcp://127.0.0.1:{ports[0]}",
            server_name="FakeServer",
            server_version="0",
            capabilities=["reconstruct", "conditions", "generate", "shot"],
            engines=[EngineInfo("preview", "Preview")],
            keys=keys,
            authorised=lambda: self._authorised,
            data_port=ports[1],
            limits=limits or Limits(),
            pong_s=0.5,
        )
        self.sockets = _FaultySockets(self._context, settings, self.store, self._answer)
        self.sessions = self.sockets.sessions
        self.endpoint = self.sockets.routers.endpoint
        self.ports = self.sockets.routers.port, self.sockets.routers.data_port
        self._watching: dict[tuple[str, str], int] = {}  # connection, job -> sequence told

    @property
    def counts(self) -> Counter[str]:
        """How many messages of each type came in."""
        return self.sockets.counts

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the sockets at once, as a killed process does; parts stay."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(10)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                poller = zmq.Poller()
                for socket in (*self.sockets.sockets(), *self.sockets.filenos()):
                    poller.register(socket, zmq.POLLIN)
                poller.poll(min(_TICK_MS, math.ceil(self.sockets.timeout_s() * 1000)))
                self.sockets.serve()
                self._push_events()
        finally:
            self.sockets.close()
            self._context.term()

    def _answer(self, session: Session, message: ControlMessage) -> Message:
        match message:
            case GetStatus():
                return self._status(message)
            case Submit():
                check_job(message.job)
                return Accepted(message.id, *self.jobs.submit(message, session.user))
            case Cancel():
                return OneJob(message.id, self.jobs.cancel(message.job_id, session.user))
            case Resume():
                return OneJob(message.id, self.jobs.resume(message.job_id, session.user))
            case GetJob():
                return OneJob(message.id, self.jobs.info(message.job_id, session.user))
            case Release():
                return OneJob(message.id, self.jobs.release(message.job_id, session.user))
            case GetJobs():
                return codec.job_page(message.id, self.jobs.infos(session.user, message.after))
            case Attach():
                return self._attach(session, message)
        raise UnexpectedMessage(f"A server takes no {type(message).__name__}.")

    def _attach(self, session: Session, message: Attach) -> Attached:
        info = self.jobs.info(message.job_id, session.user)
        self._watching[session.connection, message.job_id] = message.since
        return Attached(message.id, info)

    def _status(self, message: GetStatus) -> Status:
        return Status(
            reply_to=message.id,
            uptime_s=time.monotonic() - self._began_s,
            queued=self.jobs.count(JobState.QUEUED),
            running=self.jobs.count(JobState.RUNNING),
            transfers=len(self.sockets.transfers.uploads),
            connections=len(self.sessions),
            stored_bytes=0,
            free_bytes=0,
            encrypted=self._encrypted,
        )

    def _push_events(self) -> None:
        sessions = {session.connection: session for session in self.sessions.all()}
        for (connection, job_id), told in list(self._watching.items()):
            if connection not in sessions:
                del self._watching[connection, job_id]
                continue
            for event in self.jobs.events(job_id, told):
                if not self.sockets.push(sessions[connection], event):
                    break
                self._watching[connection, job_id] = event.sequence


class _FaultySockets(ServerSockets):
    """A server's face that counts what comes, and can fall silent or lose replies."""

    def __init__(
        self,
        context: zmq.Context[Any],
        settings: SocketSettings,
        store: FolderStore,
        answer: Callable[[Session, ControlMessage], Message],
    ) -> None:
        super().__init__(context, settings, store, answer)
        self.counts: Counter[str] = Counter()
        self.silent = False  # takes messages and answers none
        self.lose_replies = 0  # so many of the next replies to control messages get lost

    def answer(self, which: Which, received: Received) -> Message | None:
        """The answer to one message, unless it gets lost."""
        if self.silent:
            return None
        try:
            decode = codec.decode_control if which == "control" else codec.decode_data
            decoded = decode(received.frames)
            message = decoded[0] if isinstance(decoded, tuple) else decoded
            self.counts[type(message).__name__] += 1
        except ProtocolError:
            pass  # answered below the messages
        answer = super().answer(which, received)
        if which == "control" and self.lose_replies:
            self.lose_replies -= 1
            return None
        return answer
