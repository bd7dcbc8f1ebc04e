"""Which entries of a per-frame file belong to the chosen frames of a clip."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ex4d.video.reader import Clip

__all__ = ["entries_for"]

_log = logging.getLogger(__name__)


def entries_for(clip: Clip, n_entries: int) -> np.ndarray | None:
    """Numbers [N] of the entries for the clip's frames, out of `n_entries` in frame order.

    A file may describe just the clip's frames, or every frame of the video file, or every step of
    a file that pauses, as FFmpeg extracts it. None when it has none of these numbers of entries.
    """
    if n_entries == len(clip.frames):
        return np.arange(n_entries)
    if n_entries == clip.n_file_frames:
        return clip.indices
    if clip.steps is not None and n_entries == clip.steps.count:
        _log.warning("%d entries are taken for every step of %s", n_entries, clip.path)
        return clip.steps.of_frames
    return None
