"""The rasterisers by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ex4d.errors import UsageError
from ex4d.raster.nvdiffrast import NvdiffrastRasterizer, check_packages

if TYPE_CHECKING:
    from ex4d.raster.base import Rasterizer

__all__ = ["RASTERIZERS", "check_rasterizer", "make_rasterizer"]

RASTERIZERS = ("auto", "cpu", "nvdiffrast")


def check_rasterizer(name: str) -> None:
    """Raise what make_rasterizer would, as far as that can be told without loading anything."""
    if name not in RASTERIZERS:
        raise UsageError(f"unknown rasterizer {name!r}: choose from {', '.join(RASTERIZERS)}")
    if name == "nvdiffrast":
        check_packages()


def make_rasterizer(name: str = "auto") -> Rasterizer:
    """Make a rasteriser; `auto` is the CPU's.

    Raises UsageError for an unknown name, MissingPartError when nvdiffrast cannot run here.
    """
    check_rasterizer(name)
    if name == "nvdiffrast":
        return NvdiffrastRasterizer()
    from ex4d.raster.cpu import CpuRasterizer  # its kernels cost a server half a second

    return CpuRasterizer()
