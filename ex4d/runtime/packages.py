"""Which packages are installed."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["absent_packages"]


def absent_packages(names: Iterable[str]) -> list[str]:
    """Those of these top packages that are not installed; none of them is imported."""
    return [name for name in names if importlib.util.find_spec(name) is None]
