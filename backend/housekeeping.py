"""What the service does now and then: forget, clean up, shrink, and look after its folder."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from backend.errors import FolderLost
from backend.log import JobLog
from protocol.errors import UnknownJob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from backend.journal.journal import Journal
    from backend.retention import Retention
    from backend.settings import ServerSettings
    from backend.store.blobs import BlobStore
    from backend.store.eviction import Hold
    from protocol.messages.jobs import BlobId

__all__ = ["Housekeeping"]

_OFTEN_S = 0.1  # forgetting and shrinking, while there is more of it
_SELDOM_S = 60.0
_CLEAN_S = 600.0
_LOST_S = 5.0  # a folder that is away for so long does not come back
_LOOK_S = 1.0
_SHRINK_PAGES = 512  # of 4 KiB: some milliseconds


class Housekeeping:
    """Belongs to the service's thread. `step` and `forget` raise what the journal raises."""

    def __init__(
        self,
        journal: Journal,
        blobs: BlobStore,
        retention: Retention,
        settings: ServerSettings,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._blobs = blobs
        self._retention = retention
        self._settings = settings
        self._clock = clock
        self._log = JobLog()
        self._tidy_at_s = clock()
        self._clean_at_s = clock() + _CLEAN_S
        self._look_at_s = clock() + _LOOK_S
        self._lost_at_s: float | None = None
        self._softened: dict[str, Hold] = {}  # jobs whose results may go

    def begin(self) -> None:
        """Pin what jobs need, and forget who has sent what is gone."""
        for job_id, needed in self._journal.holdings.needed().items():
            self._blobs.pins.pin(job_id, needed)
        if gone := self._journal.holdings.sent() - self._blobs.hashes():
            self._journal.holdings.drop(gone)

    def close(self) -> None:
        """Write down what is kept from server to server."""
        self._journal.keep_time()

    def deadline_s(self) -> float:
        """When `step` must be called again, on the service's clock."""
        return min(self._tidy_at_s, self._clean_at_s, self._look_at_s + _SELDOM_S)

    def step(self) -> None:
        """Do what is due."""
        self._journal.holdings.settle()
        if self._blobs.gone:
            self._take_out_gone()
        if self._clock() >= self._tidy_at_s:
            self._tidy_at_s = self._clock() + _OFTEN_S
            surplus = self._retention.surplus()
            for job_id in surplus:
                self.forget(job_id)
            self._soften()
            if not self._journal.database.shrink(_SHRINK_PAGES) and not surplus:
                self._tidy_at_s = self._clock() + _SELDOM_S
        if self._clock() >= self._clean_at_s:
            self._clean_at_s = self._clock() + _CLEAN_S
            self._journal.keep_time()
            for path in self._blobs.clean(self._settings.staging_s):
                self._log.info("removed a file that nobody uses", file=path.name)

    def check_folder(self) -> None:
        """Raise FolderLost when the journal has been gone from the data folder for some time, or
        the disk has lost something."""
        if self._journal.sync.is_lost:
            raise FolderLost("the disk of the data folder has lost what was written to it")
        if self._clock() < self._look_at_s:
            return
        self._look_at_s = self._clock() + _LOOK_S
        if self._journal.is_in_place:
            self._lost_at_s = None
            return
        if self._lost_at_s is None:
            self._lost_at_s = self._clock()
            self._log.warning("the data folder is gone: no job is taken until it is back")
        elif self._clock() - self._lost_at_s >= _LOST_S:
            raise FolderLost("the data folder, or the journal in it, is gone")

    def forget(self, job_id: str) -> None:
        """Forget a job that has ended, and remove its results unless somebody else may use them."""
        results = self._journal.info(job_id).results.values()
        if self._journal.forget(job_id):
            self._softened.pop(job_id, None)

            def let_go() -> None:
                self._blobs.pins.unpin(job_id)
                self.let_go(results)

            self._journal.sync.then(let_go)

    def let_go(self, blobs: Iterable[BlobId]) -> None:
        """Remove those of some files that nobody may use and no job needs."""
        self.tidy_soon()
        for blob in blobs:
            if not self._blobs.pins.hold_of(blob.sha256) and not self._journal.holdings.is_held(
                blob.sha256
            ):
                self._blobs.discard(blob)

    def tidy_soon(self) -> None:
        """Look after surplus jobs and free pages within a second."""
        self._tidy_at_s = min(self._tidy_at_s, self._clock() + _OFTEN_S)

    def _soften(self) -> None:
        """Let the results of jobs go that were kept for as long as was promised."""
        holds = self._retention.holds()
        for job_id, hold in holds.items():
            if self._softened.get(job_id) is not hold:
                results = self._journal.info(job_id).results.values()
                self._blobs.pins.pin(job_id, results, hold)
        self._softened = holds

    def _take_out_gone(self) -> None:
        """Write down what was removed to make room: who had sent it, and whose result it was."""
        gone = list(self._blobs.gone)
        self._journal.holdings.drop(sha256 for sha256, _ in gone)
        for job_id in {job_id for _, holders in gone for job_id in holders}:
            with suppress(UnknownJob):  # it was released meanwhile
                self.forget(job_id)
                self._log.info("its results made room for others'", job_id)
        del self._blobs.gone[: len(gone)]
