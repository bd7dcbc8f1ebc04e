"""The rasterisers by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ex4d.errors import UsageError
from ex4d.raster.cpu import CpuRasterizer

if TYPE_CHECKING:
    from ex4d.raster.base import Rasterizer

__all__ = ["RASTERIZERS", "make_rasterizer"]

RASTERIZERS = ("auto", "cpu", "nvdiffrast")


def make_rasterizer(name: str = "auto") -> Rasterizer:
    """Make a rasteriser; `auto` is the CPU's.

    Raises UsageError for an unknown name, MissingPartError when nvdiffrast cannot run here.
    """
    if name in {"auto", "cpu"}:
        return CpuRasterizer()
    if name == "nvdiffrast":
        from ex4d.raster.nvdiffrast import NvdiffrastRasterizer  # non-commercial: only when chosen

        return NvdiffrastRasterizer()
    raise UsageError(f"unknown rasterizer {name!r}: choose from {', '.join(RASTERIZERS)}")
