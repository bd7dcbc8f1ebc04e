"""A server in a thread that speaks the whole protocol over real sockets, with jobs in memory."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Literal, Self

import zmq

from .. import codec
from ..errors import ProtocolError, UnexpectedMessage
from ..jobs import JobState
from ..messages import (
    Accepted,
    Attach,
    Attached,
    Cancel,
    EngineInfo,
    GetJob,
    GetJobs,
    GetStatus,
    Hello,
    OneJob,
    Ping,
    Pong,
    Release,
    Status,
    Submit,
)
from ..serving import BlobDesk, Routers, Sessions, ZapHandler
from ..trajectory import check_job
from .fake_jobs import FakeJobs
from .store import FolderStore

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

    from ..keys import KeyPair
    from ..messages import Limits, Message
    from ..serving import Session
    from ..serving.routers import Received

__all__ = ["FakeServer"]

_Which = Literal["control", "data"]
_TICK_MS = 20  # how soon events of FakeJobs and `stop` are noticed
_SWEEP_S = 0.5  # how often it looks who is gone


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
        self.counts: Counter[str] = Counter()
        self.silent = False  # takes messages and answers none
        self.lose_replies = 0  # so many of the next replies to control messages get lost
        self._keys = keys
        self._authorised = authorised
        self._limits = limits
        self._began_s = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="FakeServer", daemon=True)
        self._context: zmq.Context[Any] = zmq.Context()
        self._zap = ZapHandler(self._context, lambda: self._authorised) if keys else None
        bind = f"tcp://127.0.0.1:{ports[0]}"
        self.routers = Routers(self._context, bind, keys=keys, data_port=ports[1])
        self.endpoint = self.routers.endpoint
        self.ports = self.routers.port, self.routers.data_port
        self.sessions = Sessions(
            server_name="FakeServer",
            server_version="0",
            data_port=self.routers.data_port,
            limits=limits,
            capabilities=["reconstruct", "conditions", "generate", "shot"],
            engines=[EngineInfo("preview", "Preview")],
        )
        self.desk = BlobDesk(self.store, clock=time.monotonic, limits=limits)
        self._sweep_at_s = 0.0
        self._watching: dict[tuple[str, str], int] = {}  # connection, job -> sequence told
        self._outbox: dict[bytes, deque[list[codec.Buffer]]] = {}

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
        poller = zmq.Poller()
        for socket in (self.routers.control, self.routers.data):
            poller.register(socket, zmq.POLLIN)
        if self._zap is not None:
            poller.register(self._zap.socket, zmq.POLLIN)
        try:
            while not self._stop.is_set():
                ready = dict(poller.poll(0 if self._outbox else _TICK_MS))
                if self._zap is not None and self._zap.socket in ready:
                    self._zap.handle()
                self._serve("control")
                self._serve("data")
                self._flush()
                self._push_events()
                self._sweep()
        finally:
            self.routers.close()
            if self._zap is not None:
                self._zap.close()
            self.desk.close()
            self._context.term()

    def _serve(self, which: _Which) -> None:
        for _ in range(16):
            received = self.routers.receive(which)
            if received is None:
                return
            if self.silent or self.sessions.deaf(which, received.peer):
                continue
            for message, payload in self._answer(which, received):
                if which == "control" and self.lose_replies:
                    self.lose_replies -= 1
                    continue
                self._send(which, received.peer, message, payload)

    def _answer(self, which: _Which, received: Received) -> list[tuple[Message, bytes | None]]:
        peer, user, frames = received
        number = codec.number_of(frames)
        try:
            if which == "control":
                control = codec.decode_control(frames)
                self.sessions.valid(which, peer)
                return [(self._control(peer, user, control), None)]
            data, payload = codec.decode_data(frames)
            self.sessions.valid(which, peer)
            self.counts[type(data).__name__] += 1
            if isinstance(data, Hello):
                return [(self.sessions.greet(which, peer, user, data), None)]
            answers = self.desk.handle(self.sessions.of(which, peer), data, payload)
            return [(answer.message, answer.payload) for answer in answers]
        except ProtocolError as error:
            if error.code in ("invalid_message", "unknown_type", "too_large"):
                self.sessions.invalid(which, peer)
            return [(codec.failure_of(number, error), None)]

    def _control(self, peer: bytes, user: str, message: Message) -> Message:
        self.counts[type(message).__name__] += 1
        if isinstance(message, Hello):
            return self.sessions.greet("control", peer, user, message)
        session = self.sessions.of("control", peer)
        match message:
            case Ping():
                return Pong(message.id)
            case GetStatus():
                return self._status(message)
            case Submit():
                check_job(message.job)
                return Accepted(message.id, *self.jobs.submit(message, user))
            case Cancel():
                return OneJob(message.id, self.jobs.cancel(message.job_id, user))
            case GetJob() | Release():
                return OneJob(message.id, self.jobs.info(message.job_id, user))
            case GetJobs():
                return codec.job_page(message.id, self.jobs.infos(user, message.after))
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
            transfers=self.desk.open_uploads,
            connections=len(self.sessions),
            stored_bytes=0,
            free_bytes=0,
            encrypted=self._keys is not None,
        )

    def _push_events(self) -> None:
        sessions = {session.connection: session for session in self.sessions.all()}
        for (connection, job_id), told in list(self._watching.items()):
            if connection not in sessions:
                del self._watching[connection, job_id]
                continue
            for event in self.jobs.events(job_id, told):
                sent = self._send("control", sessions[connection].control, event, None)
                if not sent:
                    break
                self._watching[connection, job_id] = event.sequence

    def _sweep(self) -> None:
        """A ROUTER learns that a peer is gone only by sending to it."""
        if time.monotonic() >= self._sweep_at_s:
            self._sweep_at_s = time.monotonic() + _SWEEP_S
            for session in self.sessions.all():
                self._send("control", session.control, Pong(0), None)

    def _send(self, which: _Which, peer: bytes, message: Message, payload: bytes | None) -> bool:
        """Send, or keep data for a peer whose queue is full; False if control's is."""
        frames: list[codec.Buffer]
        if which == "control":
            frames = [codec.encode_control(message)]
        else:
            frames = codec.encode_data(message, payload)
            if peer in self._outbox:
                self._outbox[peer].append(frames)
                return True
        sent = self.routers.send(which, peer, frames)
        if sent is None:
            self._gone(which, peer)
        elif not sent and which == "data":
            self._outbox[peer] = deque([frames])
        return bool(sent)

    def _flush(self) -> None:
        for peer, queue in list(self._outbox.items()):
            while queue and (sent := self.routers.send("data", peer, queue[0])):
                queue.popleft()
            if not queue or sent is None:
                del self._outbox[peer]

    def _gone(self, which: _Which, peer: bytes) -> None:
        try:
            session = self.sessions.of(which, peer)
        except UnexpectedMessage:
            return
        self.desk.forget(session)
        self.sessions.forget(session)
