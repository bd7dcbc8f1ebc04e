"""One flow, driven by news and by looks at its work thread. Never waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...protocol.client.news import (
    Connected,
    Disconnected,
    Done,
    Failed,
    JobChanged,
    Previewed,
    Progress,
)
from ...protocol.errors import JobFailed, LinkError, SecurityError, UnknownJob, VersionMismatch
from ...protocol.messages.jobs import FINAL_STATES, JobInfo, JobState
from ..words import panel_words, sentence_of
from .connection import LinkState
from .flows import Ask, Unpack, Wait, flow_of
from .tasks import Task, TaskState
from .work_thread import WorkThread

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...protocol.client.news import News
    from ...protocol.messages import Event
    from .connection import Connection
    from .flows import FinishedMesh, FinishedTake, Flow
    from .requests import Request

__all__ = ["ActiveRequest"]

_ENDINGS = FINAL_STATES | {JobState.INTERRUPTED}  # the artist decides about an interrupted one


class ActiveRequest:
    """A request under way: its flow, what that waits for, and in the end what is `finished`."""

    def __init__(
        self, request: Request, connection: Connection, clock: Callable[[], float]
    ) -> None:
        self.task = Task(request)
        self.finished: FinishedMesh | FinishedTake | None = None
        self.work: WorkThread | None = None
        self._connection = connection
        self._clock = clock
        self._flow: Flow | None = None
        self._token = 0  # of the command whose news it waits for
        self._is_submit = False  # a job may come of that, which a cancel must then reach
        self._is_watch = False  # the job is handed in and not over

    def cancel(self) -> None:
        """Stop: at once while no job is handed in, else when the server has stopped it, or at the
        second time of asking when the server is away."""
        again, self.task.cancelling = self.task.cancelling, True
        if again and self._connection.state is not LinkState.CONNECTED:
            self.end(TaskState.CANCELLED)  # here; there is nobody to tell
        elif self._is_watch:
            self._cancel_job()
        elif not self._is_submit:
            self.end(TaskState.CANCELLED)

    def _cancel_job(self) -> None:
        """Ask the server, where that is due; the job's last event then ends the run."""
        client = self._connection.client
        if self.task.cancelling and self._is_watch and client is not None:
            client.cancel(self.task.job_id)

    def end(self, state: TaskState, text: str = "") -> None:
        """Let go of everything; nothing more will happen."""
        self.rest()
        self.finished = None
        self.task.state, self.task.text = state, text

    def rest(self) -> None:
        """Let go of the flow; where the run is not over, it begins anew when there is a
        connection."""
        if self._token and self._connection.client is not None:
            self._connection.client.drop(self._token)
        if self.work is not None:
            self.work.stop()
        self._flow, self.work, self._token = None, None, 0
        self._is_submit = self._is_watch = False
        self.task.preview = None
        if not self.task.over and self.finished is None:
            self.task.state = TaskState.WAITING

    def step(self) -> bool:
        """Begin the flow when there is a connection, or look after its work thread; whether
        anything changed."""
        task = self.task
        if task.over or self.finished is not None:
            return False
        if self._flow is None:
            if self._connection.state is not LinkState.CONNECTED:
                return False
            task.state, task.text = TaskState.ACTIVE, ""
            self._flow = flow_of(task.request)
            self._go_on()
            return True
        work = self.work
        if work is None:
            return False
        over = work.over
        changed = over or (work.done, work.total) != (task.done, task.total)
        task.enter(task.stage, self._clock(), work.done, work.total)
        if over:
            self.work = None
            self._go_on(work.value, work.error)
        return changed

    def take(self, news: News) -> None:
        """Go on where the news are about this run."""
        match news:
            case Disconnected():
                self.task.away = True
            case Connected():
                self.task.away = False
                if self._is_watch and not self._token:  # the server may have forgotten the job
                    self._command(self.task.stage, lambda c: c.watch(self.task.job_id))
                self._cancel_job()  # what was asked while there was no connection
            case JobChanged():
                if self._is_watch and news.event.job_id == self.task.job_id:
                    self._heard(news.event)
            case Previewed():
                if self._is_watch and news.job_id == self.task.job_id:
                    self.task.preview = news
            case Progress():
                if news.token == self._token:
                    self.task.enter(self.task.stage, self._clock(), news.done, news.total)
            case Done() | Failed():
                if news.token == self._token:
                    self._answered(news)

    def _heard(self, event: Event) -> None:
        """Progress of the job, or its end, whose particulars are then asked for."""
        if event.state in _ENDINGS:
            self._command(self.task.stage, lambda client: client.job(event.job_id))
            return
        stage = event.stage or event.state.value
        self.task.enter(stage, self._clock(), event.done, event.total)

    def _answered(self, news: Done | Failed) -> None:
        self._token, self._is_submit = 0, False
        match news:
            case Failed():
                self._go_on(error=news.error)
            case Done(value=JobInfo() as info) if self._is_watch:
                self._judge(info)
            case Done():
                self._go_on(news.value)

    def _judge(self, info: JobInfo) -> None:
        """Go on when the watched job is done, and fail when it ended otherwise."""
        if info.state not in _ENDINGS:
            stage = info.stage or info.state.value
            self.task.enter(stage, self._clock(), info.done, info.total)
            return
        self._is_watch, self.task.preview = False, None
        match info.state:
            case JobState.DONE:
                self._go_on(info)
            case JobState.CANCELLED:
                self.end(TaskState.CANCELLED)
            case JobState.INTERRUPTED:
                self._go_on(error=JobFailed("The server stopped while the job ran."))
            case _:
                text = panel_words(info.error_text) or "The server does not say why."
                self._go_on(error=JobFailed(text, code=info.error_code))

    def _go_on(self, value: Any = None, error: Exception | None = None) -> None:
        """Give the flow its step's value or error, and begin the next step."""
        if self._flow is None:
            return
        try:
            step = self._flow.throw(error) if error is not None else self._flow.send(value)
        except StopIteration as end:
            self.finished = end.value
        except (LinkError, SecurityError, VersionMismatch, UnknownJob) as lost:
            # The panel's first step says what to mend; then it goes on. A job that the server has
            # forgotten is handed in again.
            self.rest()
            self.task.text = lost.text
        except Exception as failure:  # costs this request at most, never the timer
            self.end(TaskState.FAILED, sentence_of(failure))
        else:
            self._begin(step)

    def _begin(self, step: Ask | Wait | Unpack) -> None:
        match step:
            case Ask():
                self._is_submit = step.is_submit
                self._command(step.stage, step.begin)
            case Wait():
                self.task.job_id, self._is_watch = step.job_id, True
                self._command("queued", lambda client: client.watch(step.job_id))
                self._cancel_job()
            case Unpack():
                self.task.enter(step.stage, self._clock())
                self.work = WorkThread(step.run)

    def _command(self, stage: str, begin: Callable[[Any], int]) -> None:
        client = self._connection.client
        if client is None:
            self.rest()
            return
        self.task.enter(stage, self._clock())
        self._token = begin(client)
