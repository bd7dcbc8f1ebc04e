"""The depth estimators at full size with random weights: seconds and memory for 49 frames.

    PYTHONPATH=. python tests/perf/depth_full_size.py [--estimators moge depthcrafter]
    PYTHONPATH=. python tests/perf/depth_full_size.py --tiny     (on a CPU, to see it run)

Each estimator gets a process of its own, which writes a checkpoint in the public format, loads it
as the product does, and whose memory on the GPU is limited to what the catalogue says. Fails when
one needs more, or when the default is slower than it should be. Where $OUT is a folder, the figures
are also in depth_full_size.json there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from ex4d.depth.estimate import estimate_depth
from ex4d.depth.estimators.catalogue import DEFAULT, ESTIMATORS
from ex4d.depth.estimators.loading import load_estimator
from ex4d.depth.files import Lens
from tests.ex4d.depth.estimators import tiny
from tests.perf.depth_checkpoints import write_full_size
from tests.perf.tables import aligned

GIB = 1 << 30
CONTEXT_GIB = 0.6  # of CUDA itself, which the limit does not count
NAMES = ("moge", "depth-anything", "depth-pro", "depthcrafter")
SIZES = ((512, 512), (1024, 576))
TINY_SIZES = ((64, 64), (128, 64))
MOST_GIB = {DEFAULT: 8, "depthcrafter": 26}
MOST_SECONDS = {(DEFAULT, (512, 512)): 5}


def moving_picture(n_frames, size):
    """A picture of blocks that moves to the right: uint8 [N, H, W, 3]."""
    width, height = size
    blocks = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    picture = blocks.repeat(8, axis=0).repeat(8, axis=1)
    return np.stack([np.roll(picture, 2 * number, axis=1) for number in range(n_frames)])


def measure(estimator, frames):
    """After a run that warms up: seconds of the estimator, and of all with steadying and cleaning;
    and the most memory of both runs in GiB."""
    height, width = frames.shape[1:3]
    lens = Lens(np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1.0]]))
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    for _ in range(2):
        started = time.monotonic()
        last = {}  # when a stage last told of its progress

        def report(stage, done, total, last=last):
            last[stage] = time.monotonic()

        depth = estimate_depth(estimator, frames, lens, report=report).depth
        seconds, estimating = time.monotonic() - started, last["estimate"] - started
    assert depth.shape == frames.shape[:3], depth.shape
    peak = torch.cuda.max_memory_reserved() / GIB + CONTEXT_GIB if torch.cuda.is_available() else 0
    return estimating, seconds, peak


def run_one(arguments):
    """One estimator, in this process; prints a line of JSON for each size."""
    device = torch.device("cpu" if arguments.tiny else "cuda")
    entry = ESTIMATORS[arguments.only]
    with tempfile.TemporaryDirectory() as folder:
        if arguments.tiny:
            tiny.write_models(Path(folder))
        else:
            write_full_size(entry.name, Path(folder), device)
            torch.cuda.empty_cache()  # only the estimator is to count
        if not (arguments.tiny or arguments.unlimited):
            total = torch.cuda.get_device_properties(0).total_memory / GIB
            share = (entry.memory_gib - CONTEXT_GIB) / total
            torch.cuda.set_per_process_memory_fraction(min(1.0, share))
        started = time.monotonic()
        estimator = load_estimator(entry, Path(folder), device)
        loaded = time.monotonic() - started
    for size in TINY_SIZES if arguments.tiny else SIZES:
        estimating, seconds, peak = measure(estimator, moving_picture(arguments.frames, size))
        figures = {
            "estimator": entry.name,
            "size": size,
            "frames": arguments.frames,
            "load": loaded,
            "estimating": estimating,
            "seconds": seconds,
            "peak_gib": peak,
            "device": "CPU" if arguments.tiny else torch.cuda.get_device_name(0),
        }
        print(json.dumps(figures), flush=True)


def run_all(arguments):
    """Each estimator in a process of its own: the figures, and what failed as sentences."""
    results, problems = [], []
    flags = [f"--frames={arguments.frames}"]
    flags += [f"--{name}" for name in ("tiny", "unlimited") if getattr(arguments, name)]
    for name in arguments.estimators:
        command = [sys.executable, __file__, f"--only={name}", *flags]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
            for line in run.stdout:
                print(line, end="", flush=True)
                if line.startswith("{"):
                    results.append(json.loads(line))
        if run.returncode:
            problems.append(f"{name} failed with exit code {run.returncode}")
    return results, problems


def beyond_limits(result):
    """What a result exceeds, as sentences."""
    name, size = result["estimator"], tuple(result["size"])
    where = f"{name} at {size[0]}x{size[1]}"
    most_gib = min(MOST_GIB.get(name, np.inf), ESTIMATORS[name].memory_gib)
    if result["peak_gib"] > most_gib:
        yield f"{where} needs {result['peak_gib']:.1f} GiB, more than {most_gib:g}"
    most_seconds = MOST_SECONDS.get((name, size), np.inf)
    if result["seconds"] > most_seconds:
        yield f"{where} takes {result['seconds']:.1f} s, more than {most_seconds:g}"


def table(results):
    """The figures as lines of text."""
    rows = [["estimator", "size", "load s", "estimate s", "all s", "peak GiB", "catalogue GiB"]]
    for r in results:
        width, height = r["size"]
        numbers = [f"{r[name]:.1f}" for name in ("load", "estimating", "seconds", "peak_gib")]
        limit = f"{ESTIMATORS[r['estimator']].memory_gib:g}"
        rows.append([r["estimator"], f"{width}x{height}", *numbers, limit])
    return aligned(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--estimators", nargs="+", choices=NAMES, default=NAMES)
    add("--frames", type=int, default=49)
    add("--tiny", action="store_true", help="tiny models on the CPU, 3 frames")
    add("--unlimited", action="store_true", help="let each take as much memory as there is")
    add("--only", choices=NAMES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.tiny:
        arguments.frames = min(arguments.frames, 3)
    if arguments.only:
        run_one(arguments)
        return 0
    results, problems = run_all(arguments)
    problems += [problem for result in results for problem in beyond_limits(result)]
    print("\n".join([*table(results), *problems]), flush=True)
    if "OUT" in os.environ:
        figures = json.dumps({"results": results, "problems": problems}, indent=1)
        (Path(os.environ["OUT"]) / "depth_full_size.json").write_text(figures)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
