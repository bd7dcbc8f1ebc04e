"""Trackers by name, behind one small interface.

The default is dense optical flow, OpenCV's DIS. CoTracker3 follows points through occlusions, but
its code and weights are CC-BY-NC-4.0, for non-commercial use only: it is used where the user has
fetched it, loaded when chosen, and never downloaded here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ex4d.errors import UsageError
from ex4d.training.flow_tracker import FlowTracker

if TYPE_CHECKING:
    from ex4d.training.tracks import Tracker

__all__ = ["COMMERCIAL_TRACKERS", "TRACKERS", "make_tracker"]

COMMERCIAL_TRACKERS = ("dis",)  # that may be used for paid work
TRACKERS = {
    "dis": "OpenCV's DIS optical flow, Apache-2.0",
    "cotracker3": "CoTracker3, CC-BY-NC-4.0: for non-commercial use only",
}


def make_tracker(name: str) -> Tracker:
    """Make a tracker. Raises UsageError for an unknown name, MissingPartError when CoTracker3 was
    not fetched."""
    if name == "dis":
        return FlowTracker()
    if name == "cotracker3":
        from ex4d.training.cotracker import CoTracker3  # non-commercial: only when chosen

        return CoTracker3()
    raise UsageError(f"unknown tracker {name!r}: choose from {', '.join(TRACKERS)}")
