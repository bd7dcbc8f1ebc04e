"""Four artists work with `ex4d serve` for an hour in which everything is killed now and then.

python -m tests.trials.soak [--seconds N] [--seed N] [--chart PATH.png] [--pause SECONDS]. The exit
code is 1 when a promise is broken, and what it was stands in the last lines.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from .chart import draw
from .mischief import SERVER_ENDS, Stopped, choose, wait_until
from .slopes import slopes
from .studio import Happening, Studio

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["soak"]

LIFETIMES = 12  # of servers in one run, in the middle
MISCHIEFS = 150
LEAST_S = 4.0  # between two pieces of mischief


def make_mischief(studio: Studio, seconds: float) -> None:
    """One piece after the other, at random moments, until the time is over."""
    end_s = studio.began_s + seconds
    between_s = max(LEAST_S, seconds / MISCHIEFS)
    lifetime_s = seconds / LIFETIMES
    server_began_s = time.monotonic()
    try:
        while True:
            next_s = time.monotonic() + studio.rng.uniform(0.5, 1.5) * between_s
            wait_until(next_s, lambda: time.monotonic() >= end_s)
            old = time.monotonic() - server_began_s >= lifetime_s
            act = choose(studio.rng, may_end_server=old)
            began_s = time.monotonic() - studio.began_s
            act(studio)
            ended_s = time.monotonic() - studio.began_s
            studio.happenings.append(Happening(act.__name__, began_s, ended_s))
            if act in SERVER_ENDS:
                server_began_s = time.monotonic()
    except Stopped:
        pass


def soak(seconds: float, *, seed: int, pause_s: float, chart: Path | None) -> list[str]:
    """Run it, tell the figures, and return the promises that were broken."""
    sample_s = max(0.5, seconds / 2000)
    with (
        tempfile.TemporaryDirectory() as folder,
        Studio(Path(folder), seed=seed, pause_s=pause_s, sample_s=sample_s) as studio,
    ):
        if studio.no_disk:
            print(f"the disk is never filled: {studio.no_disk}")
        make_mischief(studio, seconds)
        studio.stop_artists()
        studio.verify()
        done = studio.jobs_done()
    counts = Counter(one.name for one in studio.happenings)
    print(f"{seconds:.0f} s, {len(done)} jobs done;", *(f"{n} {c}," for n, c in counts.items()))
    lines = slopes(studio.samples)
    print(*lines, sep="\n")
    if chart is not None:
        draw(studio.samples, studio.happenings, chart)
        print(f"chart: {chart}")
    return [*studio.broken, *(f"{line}: not flat" for line in lines if not line.is_flat)]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--seconds", type=float, default=3600)
    add("--seed", type=int, default=0)
    add("--pause", type=float, default=5, help="between two jobs of an artist, in seconds")
    add("--chart", type=Path, help="PNG of what the server held")
    given = parser.parse_args(arguments)
    broken = soak(given.seconds, seed=given.seed, pause_s=given.pause, chart=given.chart)
    print(*(f"BROKEN {fault}" for fault in broken), sep="\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
