"""What a server asks of whoever writes down what it promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AtOnce", "Durability"]


class Durability(Protocol):
    """`mark` counts what was written, and `safe` how much of that survives a power cut."""

    @property
    def mark(self) -> int: ...

    @property
    def safe(self) -> int: ...

    def then(self, do: Callable[[], None]) -> None:
        """Do it, in the server's thread, when all that is written by now is safe."""


class AtOnce:
    """Of a server that writes nothing down, or waits for the disk itself."""

    mark = safe = 0

    def then(self, do: Callable[[], None]) -> None:
        """Do it now."""
        do()
