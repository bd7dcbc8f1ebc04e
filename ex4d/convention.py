"""The two ways to place pixels, borders and colours: the exact one and the public code's.

`EXACT` is the default: pixel centres at +0.5, and no number of it depends on the unit of depth.
`UPSTREAM` repeats what the public EX-4D code does, for comparison with its outputs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ex4d.errors import UsageError

__all__ = ["CONVENTIONS", "EXACT", "UPSTREAM", "Convention", "convention_named"]

# A 35 mm lens on full frame, about what phones and most film lenses show along their long side.
_DEFAULT_FOV_DEG = 54.4


@dataclass(frozen=True)
class Convention:
    """Everything in which the two ways differ."""

    name: str
    pixel_center: float  # where in its pixel a vertex lies, px
    is_upstream: bool

    def border_depth(self, farthest_depth: float) -> float:
        """Depth of the border ring for a clip whose farthest depth is given."""
        return 100.0 if self.is_upstream else 2.0 * farthest_depth

    def depth_limits(self, nearest_depth: float) -> tuple[float, float]:
        """Near and far plane of the target camera."""
        return (1e-3, 1e3) if self.is_upstream else (4e-4 * nearest_depth, math.inf)

    def default_intrinsics(self, width: int, height: int) -> np.ndarray:
        """Intrinsics [3, 3] for a source whose lens is not known."""
        focal_px = 500.0
        if not self.is_upstream:
            focal_px = max(width, height) / (2 * math.tan(math.radians(_DEFAULT_FOV_DEG) / 2))
        return np.array([[focal_px, 0, width / 2], [0, focal_px, height / 2], [0, 0, 1.0]])

    def assumed_intrinsics(
        self, native_size: tuple[int, int], size: tuple[int, int], fov_deg: float | None
    ) -> np.ndarray:
        """Intrinsics [3, 3] at the working `size` (W, H) of a source that tells none: those of a
        horizontal field of view, or the default ones.

        The lens is the native picture's: where the working size has another aspect, pixels are not
        square, and fx and fy differ. The public code sees the working size only.
        """
        width, height = size if self.is_upstream else native_size
        matrix = self.default_intrinsics(width, height)
        if fov_deg is not None:
            matrix[[0, 1], [0, 1]] = width / (2 * math.tan(math.radians(fov_deg) / 2))
        scale = np.array([[size[0] / width], [size[1] / height], [1.0]])
        return np.asarray(matrix * scale)


EXACT = Convention("exact", pixel_center=0.5, is_upstream=False)
UPSTREAM = Convention("upstream", pixel_center=0.0, is_upstream=True)
CONVENTIONS = {convention.name: convention for convention in (EXACT, UPSTREAM)}


def convention_named(name: str) -> Convention:
    """Look up a convention; UsageError lists the known names."""
    if name not in CONVENTIONS:
        raise UsageError(f"unknown convention {name!r}: choose from {', '.join(CONVENTIONS)}")
    return CONVENTIONS[name]
