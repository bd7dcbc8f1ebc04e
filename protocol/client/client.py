"""Talks to a server and waits for the answers. Every wait has an end.

`background.py` has the same without waiting.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Self

from ..errors import LinkError, TimedOut, UnknownJob
from ..messages import (
    Accepted,
    Attach,
    Attached,
    Cancel,
    GetJob,
    GetJobs,
    GetStatus,
    JobList,
    OneJob,
    Ping,
    Pong,
    Release,
    Resume,
    Status,
    Submit,
)
from ..messages.jobs import FINAL_STATES
from .bulk import download, upload
from .conversation import POLL_S, Conversation, Timeouts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ..messages import Event, Preview, Welcome
    from ..messages.jobs import BlobId, Job, JobInfo
    from ..wire import Address

__all__ = ["Client", "Timeouts"]

_MOST_EVENTS = 10_000  # of one job, not yet read


class Client:
    """A blocking client. Belongs to one thread; use as a context manager, which connects once and
    raises LinkError, SecurityError or VersionMismatch when that fails.

    Later a lost connection is made again within the time of each request. `on_idle` is called
    often during every wait, and what it raises ends the wait.
    """

    def __init__(
        self,
        address: Address,
        *,
        name: str = "EX-4D client",
        version: str = "",
        timeouts: Timeouts | None = None,
        on_idle: Callable[[], None] | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.conversation = Conversation(
            address,
            name=name,
            version=version,
            timeouts=timeouts or Timeouts(),
            on_idle=on_idle,
            pause=pause,
        )

    def __enter__(self) -> Self:
        try:
            self.connect()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def connect(self) -> Welcome:
        """Connect once, if there is no connection; what the server said of itself. Raises
        LinkError, SecurityError and VersionMismatch, each within `connect_s`."""
        return self.conversation.connect()

    def close(self) -> None:
        """Close everything at once; what is not sent is dropped."""
        self.conversation.close()

    def ping(self) -> float:
        """Ask whether the server's program answers; return how long it took, in seconds."""
        began_s = time.monotonic()
        self.conversation.ask(Ping(self.conversation.number()), Pong)
        return time.monotonic() - began_s

    def status(self) -> Status:
        """How the server is."""
        return self.conversation.ask(GetStatus(self.conversation.number()), Status)

    def submit(self, job: Job, *, key: str, label: str = "") -> JobInfo:
        """Hand in a job, which is in the journal when this returns. With a key that was used,
        give that job. Raises Refused and its children, TimedOut."""
        return self.conversation.ask(
            Submit(self.conversation.number(), key, job, label), Accepted
        ).info

    def cancel(self, job_id: str) -> JobInfo:
        """Ask that a job stop; return it as it is now. Raises UnknownJob."""
        return self.conversation.ask(Cancel(self.conversation.number(), job_id), OneJob).info

    def resume(self, job_id: str) -> JobInfo:
        """Queue an interrupted job again, any other stays as it is; return it. Raises
        UnknownJob."""
        return self.conversation.ask(Resume(self.conversation.number(), job_id), OneJob).info

    def release(self, job_id: str) -> None:
        """Let the server remove a finished job's results. Raises UnknownJob."""
        try:
            self.conversation.ask(Release(self.conversation.number(), job_id), OneJob)
        except UnknownJob:  # so is a release answered that was done, and whose answer was lost
            if not self.conversation.asked_again:
                raise

    def job(self, job_id: str) -> JobInfo:
        """One job as it is now. Raises UnknownJob."""
        return self.conversation.ask(GetJob(self.conversation.number(), job_id), OneJob).info

    def jobs(self) -> list[JobInfo]:
        """All jobs of this client's key, oldest first."""
        jobs: list[JobInfo] = []
        while True:
            after = jobs[-1].job_id if jobs else ""
            page = self.conversation.ask(GetJobs(self.conversation.number(), after), JobList)
            jobs += page.jobs
            if not page.more or not page.jobs:
                return jobs

    def subscribe(self, job_id: str, since: int = 0, *, previews: bool = False) -> JobInfo:
        """Ask for the events after `since`, for `take_events`, and for preview pictures, for
        `take_preview`. Raises UnknownJob."""
        self.conversation.events.setdefault(job_id, deque(maxlen=_MOST_EVENTS))
        if previews:
            self.conversation.previews.setdefault(job_id, None)
        else:
            self.conversation.previews.pop(job_id, None)
        attach = Attach(self.conversation.number(), job_id, since, previews)
        return self.conversation.ask(attach, Attached).info

    def take_events(self, job_id: str) -> list[Event]:
        """The events that came since the last call."""
        queue = self.conversation.events.get(job_id, deque())
        events = list(queue)
        queue.clear()
        return events

    def take_preview(self, job_id: str) -> Preview | None:
        """The latest preview picture, if one came since the last call."""
        preview = self.conversation.previews.get(job_id)
        if preview is not None:
            self.conversation.previews[job_id] = None
        return preview

    def attach(
        self, job_id: str, since: int = 0, *, timeout_s: float = 86_400, previews: bool = False
    ) -> Iterator[Event]:
        """Each event after `since`, in order and once, until the job is over; over lost
        connections too. With `previews` there are preview pictures for `take_preview` as well.
        Raises UnknownJob, TimedOut."""
        deadline_s = time.monotonic() + timeout_s
        info = self.subscribe(job_id, since, previews=previews)
        link = self.conversation.current
        while True:
            for event in self.take_events(job_id):
                if event.sequence > since:
                    since = event.sequence
                    yield event
                    if event.state in FINAL_STATES:
                        return
            if info.state in FINAL_STATES and since >= info.sequence:
                return
            if time.monotonic() >= deadline_s:
                raise TimedOut(f"Job {job_id} is not over after {timeout_s:g} s.", job_id=job_id)
            try:
                self.conversation.pump(POLL_S, link)
            except LinkError:
                self.conversation.drop()
                info = self.subscribe(job_id, since, previews=previews)
                link = self.conversation.current

    def upload(
        self, path: str | Path, *, on_progress: Callable[[int, int], None] | None = None
    ) -> BlobId:
        """Send a file, or as much of it as the server lacks; return its address.

        `on_progress(done, total)` counts bytes. Raises OSError, TransferError, DiskFull (on the
        server), Refused, LinkError when nothing moved for `patience_s`.
        """
        return upload(self.conversation, path, on_progress or _nothing)

    def download(
        self,
        blob: BlobId,
        target: Path,
        *,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Path:
        """Get a file. It is complete and verified when `target` appears.

        Raises UnknownBlob, TransferError, DiskFull (here), LinkError when nothing moved for
        `patience_s`; what was verified is kept beside the target for the next attempt.
        """
        return download(self.conversation, blob, target, on_progress or _nothing)


def _nothing(done: int, total: int) -> None:
    """Progress that nobody wants."""
