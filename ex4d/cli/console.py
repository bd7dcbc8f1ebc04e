"""What the commands print: facts on stdout, progress and notes on stderr."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ex4d.conditions.render import Progress

__all__ = ["progress_bar", "say"]


def say(what: str, text: str) -> None:
    """Print one fact."""
    print(f"{what:<9} {text}", flush=True)


@contextmanager
def progress_bar(what: str, unit: str = "frame") -> Iterator[Progress]:
    """A progress bar on stderr, on a terminal only."""
    with tqdm(desc=f"{what:<9}", unit=unit, disable=None, leave=False) as bar:

        def update(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield update
