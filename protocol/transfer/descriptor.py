"""A file held open by its number, which reads and writes at any place need."""

from __future__ import annotations

import os
from typing import Self

__all__ = ["OpenFile"]


class OpenFile:
    """Closes `_fd` once; a context manager."""

    _fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was written stays."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
