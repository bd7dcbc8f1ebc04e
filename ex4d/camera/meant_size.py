"""For which size intrinsics were meant that do not say so: their principal point tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["meant_size"]

_OFF_CENTER = 0.05  # of a side; real lenses lie within it
_SAME_ASPECT = 0.02


def meant_size(
    intrinsics: np.ndarray,  # [3, 3], pixels of the size that is looked for
    sizes: Sequence[tuple[int, int]],  # (W, H) that it may be
    shown: tuple[int, int] | None = None,  # (W, H) of a picture of the right aspect
) -> tuple[float, float] | None:
    """The size (W, H) in whose middle the principal point lies: the nearest of `sizes`, else one of
    the same aspect as `shown`. None when there is none, as with a lens that is shifted."""
    center = intrinsics[:2, 2]

    def off_center(size: tuple[int, int]) -> float:
        return float(np.abs(center / size - 0.5).max())

    nearest = min(sizes, key=off_center)
    if off_center(nearest) <= _OFF_CENTER:
        return nearest
    if shown is None:
        return None
    aspect = center[0] / center[1] if center[1] > 0 else 0.0
    if abs(aspect / (shown[0] / shown[1]) - 1) >= _SAME_ASPECT:
        return None
    return 2 * float(center[0]), 2 * float(center[1])
