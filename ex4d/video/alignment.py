"""Which entries of a per-frame file belong to the chosen frames of a clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ex4d.video.reader import Clip

__all__ = ["entries_for"]


def entries_for(clip: Clip, n_entries: int) -> np.ndarray | None:
    """Numbers [N] of the entries for the clip's frames, out of `n_entries` in frame order.

    A file may describe just the clip's frames, or every frame of the video file. None when it has
    neither number of entries.
    """
    if n_entries == len(clip.frames):
        return np.arange(n_entries)
    if n_entries == clip.n_file_frames:
        return clip.indices
    return None
