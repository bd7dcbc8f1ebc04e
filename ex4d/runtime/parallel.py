"""The same work for many things, on all cores."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["on_all_cores"]

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


def on_all_cores(work: Callable[[_Given], _Made], things: Iterable[_Given]) -> list[_Made]:
    """Do work that lets go of the interpreter's lock, a thread for each core; results in order."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, things))
