"""What the commands print: facts on stdout, progress and notes on stderr."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TYPE_CHECKING, Any, TextIO

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ex4d.conditions.render import Progress
    from ex4d.weights.download import Part

__all__ = ["only_facts", "progress_bar", "progress_bars", "say", "say_fetched", "tell"]


class _Facts:
    """Where facts go while a command runs; None: to stdout."""

    stream: TextIO | None = None


_facts = _Facts()
_STDOUT, _STDERR = 1, 2


@contextmanager
def only_facts() -> Iterator[None]:
    """Keep stdout for facts, which scripts read: what libraries print there, from Python or from
    C, goes to stderr."""
    before = sys.stdout
    own = _duplicate(before)
    _facts.stream = before
    if own is not None:
        _facts.stream = os.fdopen(own, "w", encoding=before.encoding, errors="backslashreplace")
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        stream, _facts.stream = _facts.stream, None
        if own is not None:
            os.dup2(own, _STDOUT)
            with suppress(OSError):  # who read it has gone
                stream.close()


def _duplicate(stdout: TextIO) -> int | None:
    """Let the process's descriptor of stdout be that of stderr; return another of what it was.
    None where `stdout` is not that descriptor's, or there is no stderr."""
    with suppress(OSError, ValueError):  # a test's stdout has no descriptor
        stdout.flush()
        if stdout.fileno() == _STDOUT:
            os.fstat(_STDERR)
            own = os.dup(_STDOUT)
            os.dup2(_STDERR, _STDOUT)
            return own
    return None


def tell(text: str) -> None:
    """Print a line on stdout."""
    print(text, file=_facts.stream, flush=True)


def say(what: str, text: str) -> None:
    """Print one fact."""
    tell(f"{what:<9} {text}")


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
