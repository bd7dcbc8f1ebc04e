"""Whether a job is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backend.inputs import check_held, check_size, inputs_of
from protocol.errors import Busy
from protocol.messages.jobs import JobState

if TYPE_CHECKING:
    from backend.journal.journal import Journal
    from backend.retention import Retention
    from backend.settings import ServerSettings
    from backend.store.blobs import BlobStore
    from protocol.messages.jobs import Job

__all__ = ["Admission"]


class Admission:
    """Looks at every new job: the limits of the server, and what the job is about."""

    def __init__(
        self, journal: Journal, blobs: BlobStore, retention: Retention, settings: ServerSettings
    ) -> None:
        self._journal = journal
        self._blobs = blobs
        self._retention = retention
        self._settings = settings

    def check(self, owner: str, job: Job) -> None:
        """Raise what speaks against a job: Busy, InvalidArgument, UnknownBlob."""
        if not self._journal.is_in_place:
            raise Busy("the data folder of this server is gone")
        settings = self._settings
        for limit, whose in ((settings.queued_jobs, owner), (settings.queued_jobs_in_all, None)):
            queued = self._journal.count(JobState.QUEUED, owner=whose)
            if queued >= limit:
                jobs = "jobs of yours" if whose else "jobs"
                text = f"the queue is full: {queued} {jobs} wait, the limit is {limit}"
                raise Busy(text, queued=queued, limit=limit)
        self._retention.check_room(owner)
        check_size(job, settings.job_pixels)
        check_held(inputs_of(job), owner, self._blobs, self._journal.holdings)
