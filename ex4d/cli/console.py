"""What the commands print: facts on stdout, progress and notes on stderr."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ex4d.conditions.render import Progress
    from ex4d.download import Part

__all__ = ["progress_bar", "progress_bars", "say", "say_fetched"]


def say(what: str, text: str) -> None:
    """Print one fact."""
    print(f"{what:<9} {text}", flush=True)


def say_fetched(part: Part, text: str) -> None:
    """Print what becomes of a model's weights."""
    say("fetch", f"huggingface.co/{part.repository}: {text}")


@contextmanager
def progress_bar(what: str, unit: str = "frame") -> Iterator[Progress]:
    """A progress bar on stderr, on a terminal only."""
    with progress_bars(unit) as update:
        yield lambda done, total: update(what, done, total)


@contextmanager
def progress_bars(unit: str = "frame") -> Iterator[Callable[[str, int, int], None]]:
    """One progress bar after the other: a new one for each name of a stage."""
    bars: dict[str, Any] = {}

    def update(what: str, done: int, total: int) -> None:
        if what not in bars:
            _close(bars)
            bars[what] = tqdm(desc=f"{what:<9}", unit=unit, disable=None, leave=False)
        bars[what].total = total
        bars[what].update(done - bars[what].n)

    try:
        yield update
    finally:
        _close(bars)


def _close(bars: dict[str, Any]) -> None:
    for bar in bars.values():
        bar.close()
