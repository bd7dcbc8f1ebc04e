"""How long jobs that have ended are kept.

    within `kept_hours`    kept, whatever comes: its key, its results
    after that         the latest `kept_jobs` of each owner are kept while there is room; results
                       go where others need it (backend/store/eviction.py), and their job with them
    after `retention_days`   forgotten

What goes first is what was cancelled, has failed or was fetched, the oldest first; a job that is
done and was never fetched is the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from backend.store.eviction import Hold
from protocol.errors import Busy
from protocol.messages.jobs import FINAL_STATES

if TYPE_CHECKING:
    from backend.journal.journal import Journal
    from backend.settings import ServerSettings

__all__ = ["Retention"]

_AT_ONCE = 100  # jobs that are forgotten in one round
_UNFETCHED = (  # whether a job is done and nobody has fetched a result of it
    "(state = 'done' AND EXISTS (SELECT 1 FROM rights WHERE via = job_id) "
    "AND NOT EXISTS (SELECT 1 FROM rights WHERE via = job_id AND fetched))"
)


class Retention:
    """Decides what may go; reads the journal, and changes nothing."""

    def __init__(self, journal: Journal, settings: ServerSettings) -> None:
        self._database = journal.database
        self._journal = journal
        self._settings = settings

    def check_room(self, owner: str) -> None:
        """Raise Busy when so many of an owner's jobs, or of all, are kept that no more can be."""
        for limit, whose in (
            (self._settings.kept_jobs_most, owner),
            (self._settings.kept_jobs_in_all, None),
        ):
            kept = self._journal.count(*FINAL_STATES, owner=whose)
            if kept >= limit:
                jobs = "jobs of yours" if whose else "jobs"
                text = (
                    f"{kept} {jobs} that have ended are kept, the limit is {limit}: release some; "
                    f"each is kept for {self._settings.kept_hours:g} hours"
                )
                raise Busy(text, kept=kept, limit=limit)

    def surplus(self) -> list[str]:
        """Jobs to forget now: those too old, and those too many of one owner; not all at once."""
        now_s = self._journal.now_s()
        too_old = "SELECT job_id FROM jobs WHERE ended_s <= ? ORDER BY ended_s LIMIT ?"
        oldest_s = now_s - self._settings.retention_s
        found = [row["job_id"] for row in self._database.rows(too_old, (oldest_s, _AT_ONCE))]
        crowded = "SELECT owner, count(*) - ? AS surplus FROM jobs WHERE ended_s IS NOT NULL "
        crowded += "GROUP BY owner HAVING surplus > 0"
        for owner, surplus in self._database.rows(crowded, (self._settings.kept_jobs,)):
            query = (
                "SELECT job_id FROM jobs WHERE owner = ? AND ended_s <= ? "  # noqa: S608
                f"ORDER BY {_UNFETCHED}, ended_s, ordinal LIMIT ?"
            )
            most = min(surplus, _AT_ONCE)
            values = owner, now_s - self._settings.kept_s, most
            found += [row["job_id"] for row in self._database.rows(query, values)]
        return list(dict.fromkeys(found))[:_AT_ONCE]

    def holds(self) -> dict[str, Hold]:
        """How firmly the results of each job that was kept for long enough are held."""
        query = (
            f"SELECT job_id, {_UNFETCHED} AS unfetched FROM jobs "  # noqa: S608
            "WHERE ended_s <= ? AND state = 'done'"
        )
        rows = self._database.rows(query, (self._journal.now_s() - self._settings.kept_s,))
        return {row["job_id"]: Hold.RESULT if row["unfetched"] else Hold.FETCHED for row in rows}
