"""Fuzz the readers of what anybody may send: python -m tests.fuzz SECONDS [TARGET ...]

Each target gets the same share of the time, in processes of its own: a native library that crashes
ends one of them, and the next goes on. What is found is left in outputs/fuzz/TARGET; a finding that
was mended goes to tests/data/fuzz/TARGET, where the ordinary tests try it again.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

__all__ = ["fuzz"]

_ROOT = Path(__file__).parents[2]
_LIMITS = ("-timeout=30", "-rss_limit_mb=4096", "-detect_leaks=0")
_DONE = re.compile(r"^#(\d+)\s", re.MULTILINE)
_GRACE_S = 60.0  # beyond the time that a process was given


def fuzz(target: str, seconds: float, found: Path) -> tuple[int, int]:
    """Fuzz one target for so long; how many inputs were tried, and how many findings there were,
    which are left in the folder `found`."""
    found.mkdir(parents=True, exist_ok=True)
    before = set(found.iterdir())
    n_tried, end_s = 0, time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as corpus:
        known = sorted((_ROOT / "tests/data/fuzz" / target).glob("*"))
        inputs = [*seeds(target), *(path.read_bytes() for path in known)]
        for number, data in enumerate(inputs):
            (Path(corpus) / f"seed{number}").write_bytes(data)
        while (left_s := end_s - time.monotonic()) > 1:
            options = [f"-max_total_time={int(left_s)}", f"-artifact_prefix={found}/", *_LIMITS]
            run = subprocess.run(
                [sys.executable, "-m", "tests.fuzz.child", target, *options, corpus],
                cwd=_ROOT,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=left_s + _GRACE_S,
                check=False,
            )
            done = _DONE.findall(run.stderr)
            if not done:
                raise RuntimeError(run.stderr[-2000:])
            n_tried += int(done[-1])
            if run.returncode:
                print(_told(run.stdout + run.stderr), flush=True)
    return n_tried, len(set(found.iterdir()) - before)


def _told(said: str) -> str:
    """What a finding's report says, without the noise of the libraries."""
    places = [said.find(words) for words in ("Uncaught Python exception", "ERROR: libFuzzer")]
    return said[min((place for place in places if place >= 0), default=0) :][:3000]


def main() -> int:
    """Fuzz the targets that are named, or all."""
    seconds = float(sys.argv[1])
    targets = sys.argv[2:] or list(TARGETS)
    n_found = 0
    for target in targets:
        share_s = seconds / len(targets)
        n_tried, n_new = fuzz(target, share_s, _ROOT / "outputs/fuzz" / target)
        n_found += n_new
        print(f"{target}: {n_tried} inputs in {share_s:.0f} s, {n_new} findings", flush=True)
    return 1 if n_found else 0


if __name__ == "__main__":
    sys.exit(main())
