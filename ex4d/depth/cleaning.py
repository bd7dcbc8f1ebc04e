"""What is mended in a clip's depth before it becomes meshes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ex4d.depth.edges import snap_flying_pixels
from ex4d.errors import UsageError
from ex4d.runtime.parallel import on_all_cores

__all__ = ["FOR_ESTIMATES", "FOR_FILES", "DepthCleaning", "clean_edges", "limit_sky"]

_SKY_TIMES_NEAREST = 50.0  # farther things hardly move in the picture when the camera does
_NEAR_PERCENTILE = 1.0  # stray pixels are not the nearest thing


@dataclass(frozen=True)
class DepthCleaning:
    """Strengths of the repairs. Raises UsageError for one that cannot be."""

    holes: float = 1.0  # 0 to 1: how decidedly unknown depth is that of the background; 0: nearest
    edges: float = 0.0  # 0 to 1: how much of the range between two surfaces is empty; 0: off
    sky_distance: float | None = 0.0  # where the sky is, and nothing beyond; 0: off; none: by depth

    def __post_init__(self) -> None:
        for name in ("holes", "edges"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(
                    f"cleaning of {name} is {getattr(self, name):g}; it must be 0 to 1"
                )
        if self.sky_distance is not None and not 0 <= self.sky_distance < np.inf:
            raise UsageError(f"the sky's distance is {self.sky_distance:g}; it must be positive")


FOR_FILES = DepthCleaning()  # the artist knows best
FOR_ESTIMATES = DepthCleaning(edges=1.0, sky_distance=None)


def limit_sky(depth: np.ndarray, cleaning: DepthCleaning) -> None:
    """Bring what is beyond the sky's distance to it, in place: depth float32 [N, H, W], where
    infinite depth is beyond all and 0 is unknown. Switched off, infinite depth becomes unknown.
    """
    if cleaning.sky_distance == 0:
        depth[np.isinf(depth)] = 0
        return
    distance = cleaning.sky_distance
    if distance is None:
        sample = depth[:, ::4, ::4]
        known = sample[(sample > 0) & np.isfinite(sample)]
        distance = float(np.percentile(known, _NEAR_PERCENTILE)) if known.size else 1.0
        distance *= _SKY_TIMES_NEAREST
    np.minimum(depth, np.float32(distance), out=depth)


def clean_edges(depth: np.ndarray, frames: np.ndarray, cleaning: DepthCleaning) -> None:
    """Put flying pixels onto surfaces, in place: depth float32 [N, H, W], all of it known, and its
    frames uint8 [N, H, W, 3]."""
    if cleaning.edges == 0:
        return

    def clean(number: int) -> None:
        depth[number] = snap_flying_pixels(depth[number], frames[number], cleaning.edges)

    on_all_cores(clean, range(len(depth)))
