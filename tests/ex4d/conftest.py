"""What the tests of the library share."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ex4d.video.reader import Clip


@pytest.fixture(scope="session")
def make_clip():
    """A function: the clip of `n_frames` black frames of `size`, every `stride`-th from `start` on,
    out of a file of `n_file_frames`."""

    def make(n_frames=4, *, size=(64, 48), start=0, stride=1, n_file_frames=None) -> Clip:
        indices = start + stride * np.arange(n_frames)
        return Clip(
            frames=np.zeros((n_frames, size[1], size[0], 3), np.uint8),
            fps=Fraction(24),
            indices=indices,
            n_file_frames=n_file_frames or int(indices[-1]) + 1,
            native_size=size,
            path=Path("clip.mp4"),
        )

    return make
