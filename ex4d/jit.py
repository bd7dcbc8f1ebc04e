"""How the hot loops are compiled: cached on disk, without the interpreter lock, IEEE division."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["inlined_kernel", "kernel"]


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of numbers and arrays; threads may run it side by side."""
    compiled: Callable[..., Any] = njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled


def inlined_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same, merged into each kernel that calls it: saves passing arrays millions of times."""
    compiled: Callable[..., Any] = njit(
        cache=True, nogil=True, error_model="numpy", inline="always"
    )(function)
    return compiled
