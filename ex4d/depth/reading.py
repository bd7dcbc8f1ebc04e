"""What the numbers in a depth file mean, and how they become z-depth."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from ex4d.errors import DepthError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FAR", "VALUE_KINDS", "DepthReading", "Ends", "Values", "ray_lengths"]


Values = Literal["depth", "ray_length", "disparity"]
VALUE_KINDS: tuple[Values, ...] = get_args(Values)
FAR = 1e9  # and beyond is infinitely far: Blender writes 1e10 where there is nothing
_OVERSHOOT = 0.01  # of the median depth
_FAR_IN_HALF = 65504.0  # the largest number of EXR's half floats, which 1e10 becomes there


@dataclass(frozen=True)
class DepthReading:
    """How to read a file. Raises UsageError for settings that do not fit together.

    With `near` and `far` the values are shares of that range: 0 to 1, or 0 to the greatest number
    of a picture of whole numbers. A share of depth counts from near to far, one of disparity from
    far to near; `inverted` turns it round. Last comes value * scale + offset.
    """

    values: Values = "depth"
    near: float | None = None
    far: float | None = None
    inverted: bool = False
    scale: float = 1.0
    offset: float = 0.0
    layer: str | None = None  # of an EXR file; none: as ex4d.depth.exr_layers chooses

    def __post_init__(self) -> None:
        if self.values not in VALUE_KINDS:
            raise UsageError(f"depth values {self.values!r}: choose from {', '.join(VALUE_KINDS)}")
        if (self.near is None) != (self.far is None):
            raise UsageError("near and far of the depth are given both or neither")
        if self.near is not None and self.far is not None and not 0 < self.near < self.far:
            raise UsageError(
                f"near is {self.near:g} and far is {self.far:g}: they must be 0 < near < far"
            )
        if self.inverted and self.near is None:
            raise UsageError("an inverted depth is a share of a range: give near and far too")
        if not (math.isfinite(self.scale) and self.scale != 0 and math.isfinite(self.offset)):
            raise UsageError(f"depth scale {self.scale:g} and offset {self.offset:g} make no depth")

    def depth_of(self, stored: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
        """Turn one stored frame [H, W] into z-depth float32 [H, W]: 0 unknown, inf infinitely far.

        `intrinsics` [3, 3] are those of this size. Raises DepthError, naming row, column and value,
        where a depth is negative.
        """
        is_disparity = self.values == "disparity"
        if self.near is not None:
            values = self._shares(stored)
        else:
            values = _numbers(stored)
            if self.offset == 0:
                values = _without_overshoot(values, self.scale)
        unknown = ~np.isfinite(values) if is_disparity else np.isnan(values) | (values == -np.inf)
        if self.near is None and not is_disparity:
            unknown |= values == 0  # whatever the offset; a disparity of 0 is infinitely far
        with np.errstate(all="ignore"):
            values = values * self.scale + self.offset
            if is_disparity:
                values = np.where(values == 0, np.inf, 1 / values)
            elif self.values == "ray_length":
                values = values / ray_lengths(values.shape, intrinsics)
            depth: np.ndarray = np.where(unknown, 0, values).astype(np.float32)
        if depth.min() < 0:
            row, column = np.unravel_index(int(depth.argmin()), depth.shape)
            raise DepthError(
                f"depth {depth.min():g} at row {row}, column {column}; "
                "depth must be positive, or 0 where it is unknown"
            )
        depth[depth >= FAR] = np.inf
        return depth

    @property
    def is_plain(self) -> bool:
        """Whether numbers are taken for distances as they stand."""
        return self == replace(DepthReading(), values=self.values, layer=self.layer) and (
            self.values != "disparity"
        )

    def _shares(self, stored: np.ndarray) -> np.ndarray:
        """Values of the range from near to far."""
        if self.near is None or self.far is None:
            raise AssertionError
        share = stored.astype(np.float64)
        if stored.dtype.kind in "iu":
            share /= np.iinfo(stored.dtype).max
        if self.inverted:
            share = 1 - share
        ends = (self.near, self.far)
        if self.values == "disparity":
            ends = (1 / self.far, 1 / self.near)
        result: np.ndarray = ends[0] + share * (ends[1] - ends[0])
        return result


class Ends:
    """The least and the greatest of all numbers that a clip's files hold."""

    def __init__(self) -> None:
        self._least, self._most = math.inf, -math.inf

    def add(self, stored: np.ndarray) -> None:
        """Count a frame in; whole numbers are no shares by themselves."""
        known = stored[np.isfinite(stored)] if stored.dtype.kind == "f" else stored[:0]
        if known.size:
            self._least = min(self._least, float(known.min()))
            self._most = max(self._most, float(known.max()))

    def check(self, path: Path, reading: DepthReading) -> str:
        """A sentence for numbers of a clip that may be shares of a range; empty for others. Raises
        DepthError when they are, and nobody has said of which: read as distances they would turn
        the scene inside out."""
        if not reading.is_plain or self._most > 1 or self._least < 0:
            return ""
        if (self._least, self._most) != (0, 1):
            return (
                f"all depth in {path} is below 1: for shares of a range say --depth_near and "
                "--depth_far, or --depth_values disparity"
            )
        raise DepthError(
            f"{path} holds numbers from exactly 0 to 1, which are shares of a range and no "
            "distances: say its ends (--depth_near, --depth_far); or --depth_values disparity, "
            "where 1 is near; or what 1 measures (--depth_scale), where they are distances"
        )


def ray_lengths(shape: tuple[int, ...], intrinsics: np.ndarray) -> np.ndarray:
    """The length of the ray to z-depth 1 through each pixel's centre: float64 [H, W]."""
    height, width = shape
    x = (np.arange(width) + 0.5 - intrinsics[0, 2]) / intrinsics[0, 0]
    y = (np.arange(height) + 0.5 - intrinsics[1, 2]) / intrinsics[1, 1]
    lengths: np.ndarray = np.sqrt(1 + x[None, :] ** 2 + y[:, None] ** 2)
    return lengths


def _without_overshoot(values: np.ndarray, scale: float) -> np.ndarray:
    """Numbers with 0 where they are barely below: filters and lossy files ring around unknown
    pixels. Depth that is clearly negative stays."""
    signed = values if scale > 0 else -values
    negative = signed < 0
    if negative.any():
        known = signed[(signed > 0) & (signed < FAR)]
        if known.size:
            values[negative & (signed >= -_OVERSHOOT * np.median(known))] = 0
    return values


def _numbers(stored: np.ndarray) -> np.ndarray:
    """Values as they stand; a half float's greatest number is beyond them all."""
    values = stored.astype(np.float64)
    if stored.dtype == np.float16:
        values[values >= _FAR_IN_HALF] = np.inf
    return values
