"""Where a clip cuts from one shot to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from ex4d.video.flow import ClipFlow

__all__ = ["find_shots"]

_NO_MATCHES = 0.1  # of the points; within a shot most are found again, across a cut hardly any
_FEW_MATCHES = 0.3
_ALIKE = 0.6  # of the colours, as the intersection of two histograms
_BINS = 8  # of each colour channel


def find_shots(frames: np.ndarray, flow: ClipFlow) -> list[range]:
    """The frame numbers of each shot of frames uint8 [N, H, W, 3].

    A cut is where hardly any point of a frame is found in the next, or few are and the colours are
    others too: fast motion keeps the colours. A flash of light is taken for a shot of its own.
    """
    matches = flow.all_matches((frame, frame + 1) for frame in range(len(frames) - 1))
    colours = [_histogram(frame) for frame in frames]
    cuts = []
    for frame, found in enumerate(matches):
        alike = np.minimum(colours[frame], colours[frame + 1]).sum() >= _ALIKE
        if found.share < (_NO_MATCHES if alike else _FEW_MATCHES):
            cuts.append(frame + 1)
    return [range(*ends) for ends in zip([0, *cuts], [*cuts, len(frames)], strict=True)]


def _histogram(frame: np.ndarray) -> np.ndarray:
    """The shares of the colours of a frame [H, W, 3]."""
    small = cv2.resize(frame, (64, 48), interpolation=cv2.INTER_AREA)
    counts = cv2.calcHist([small], [0, 1, 2], None, [_BINS] * 3, [0, 256] * 3)
    shares: np.ndarray = counts / counts.sum()
    return shares
