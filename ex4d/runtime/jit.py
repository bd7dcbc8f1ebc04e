"""How the hot loops are compiled: cached on disk where that can be, without the interpreter lock,
with IEEE division."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["inlined_kernel", "kernel"]


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of numbers and arrays; threads may run it side by side."""
    return _compiled(function)


def inlined_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same, merged into each kernel that calls it: saves passing arrays millions of times."""
    return _compiled(function, inline="always")


def _compiled(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    options["error_model"] = "numpy"
    compiled: Callable[..., Any]
    try:
        compiled = njit(cache=True, nogil=True, **options)(function)
    except RuntimeError:  # no place on disk may be written, as in a read-only container
        compiled = njit(nogil=True, **options)(function)
    return compiled
