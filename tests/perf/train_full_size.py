"""Training at full size with random weights: seconds for each step, and peak memory.

    PYTHONPATH=. python tests/perf/train_full_size.py [--profiles 80 48] [--steps 20]
    PYTHONPATH=. python tests/perf/train_full_size.py --gpus 2 [--shard]
    PYTHONPATH=. python tests/perf/train_full_size.py --tiny --gpus 2    (on a CPU, to see it run)

Wan2.1-I2V-14B's architecture on 49 frames of 512x512: inputs as a cache would hold them, made at
random, the same ones in every step, so that the loss must fall. Each profile gets a process of its
own, whose memory on the GPU is limited to the profile's. `--gpus N` compares one GPU with N.
With $OUT set, the figures are written to $OUT/train.json too.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import torch

from ex4d.engines.wan.diffsynth import without_values
from ex4d.engines.wan.model import Sizes, WanTransformer
from ex4d.training.cache.files import CacheSettings, Encoded
from ex4d.training.fit.adapter import make_adapter
from ex4d.training.fit.base import place_base
from ex4d.training.fit.model import AdapterModel, Sample
from ex4d.training.fit.settings import TrainSettings
from ex4d.training.fit.steps import Stepper, make_accelerator
from tests.ex4d.engines.wan import tiny
from tests.perf.random_weights import CONTEXT_GIB, GIB, fill
from tests.perf.tables import aligned

MOST_GIB = {80: 80e9 / GIB, 48: 48e9 / GIB}  # cards of 80 and 48 GB
LEAST_SPEED_UP = 0.9  # of the number of GPUs
MOST_DIFFERENCE = 0.02  # of the losses of two profiles: attention sums in any order
LEVEL = 700  # of 1000: as much noise as video


def random_sample(sizes, frames, side, seed):
    """What a cache would give for one clip."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(shape, generator=generator)

    latents = (1, 16, 1 + (frames - 1) // 4, side // 8, side // 8)
    video, color, mask, first = (draw(*latents) for _ in range(4))
    encoded = Encoded(video, color, mask, first, draw(1, 257, 1280))
    return Sample(encoded, draw(40, sizes.text_dim), LEVEL, draw(*latents))


def make_model(arguments, settings, device):
    """The adapter on a transformer with random weights; where its blocks are, in words."""
    sizes = Sizes(**tiny.TRANSFORMER) if arguments.tiny else Sizes()
    with without_values():
        base = WanTransformer(sizes)
    fill(base, device, onto=device)
    shapes = {name: tuple(tensor.shape) for name, tensor in base.state_dict().items()}
    adapter = make_adapter(shapes, settings.rank, settings.seed)
    adapter.change(base)
    cache = CacheSettings(
        width=arguments.side, height=arguments.side, num_frames=arguments.frames,
        erosion_px=(2, 8), has_flipped=False, vae="", image_encoder="", text_encoder="",
    )  # fmt: skip
    transformer, where = place_base(base, cache, settings, device)
    return AdapterModel(adapter, transformer, device), sizes, where


def run_one(arguments):
    """One profile, in this process or in all that torchrun started; prints figures as JSON."""
    accelerator = make_accelerator()
    device, profile = accelerator.device, arguments.only
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory / GIB
        torch.cuda.set_per_process_memory_fraction(
            min(1.0, (MOST_GIB[profile] - CONTEXT_GIB) / total)
        )
    count = accelerator.num_processes
    settings = TrainSettings(
        batch_size=count, learning_rate=2e-4, warmup_steps=0, vram=profile, shard=arguments.shard
    )
    started = time.monotonic()
    model, sizes, where = make_model(arguments, settings, device)
    stepper = Stepper(accelerator, model, settings)
    sample = random_sample(sizes, arguments.frames, arguments.side, accelerator.process_index)
    is_first = accelerator.is_main_process
    say = print if is_first else lambda *_, **__: None
    say(f"profile {profile}, {count} GPUs: {where}; made in {time.monotonic() - started:.0f} s",
        file=sys.stderr, flush=True)  # fmt: skip
    losses, seconds, began = [], [], time.monotonic()
    for step in range(arguments.warmup + arguments.steps):
        before = time.monotonic()
        figures = stepper.step(step, [sample])  # ends with a number on the CPU: all is done then
        seconds.append(time.monotonic() - before)
        losses.append(figures.loss)
        say(f"step {step + 1}: {seconds[-1]:.2f} s, loss {figures.loss:.4f}, gradient "
            f"{figures.gradient:.3f}, peak {peak_gib(device):.1f} GiB",
            file=sys.stderr, flush=True)  # fmt: skip
        if step > arguments.warmup and all_late(accelerator, began, arguments.limit_s):
            break
    measured = seconds[arguments.warmup :]
    figures = {
        "profile": profile, "gpus": count, "shard": arguments.shard, "where": where,
        "steps": len(measured), "seconds_per_step": sum(measured) / len(measured),
        "samples_per_second": count * len(measured) / sum(measured),
        "peak_gib": peak_gib(device), "peak_allocated_gib": allocated_gib(device),
        "losses": losses,
    }  # fmt: skip
    if is_first:
        print(json.dumps(figures), flush=True)
    accelerator.end_training()


def all_late(accelerator, began, limit_s):
    """Whether the time is up, for all processes alike."""
    late = torch.tensor(float(time.monotonic() - began > limit_s), device=accelerator.device)
    return bool(accelerator.reduce(late, "sum") > 0)


def peak_gib(device):
    """The most that the process has held, with CUDA itself."""
    if device.type != "cuda":
        return 0.0
    return torch.cuda.max_memory_reserved(device) / GIB + CONTEXT_GIB


def allocated_gib(device):
    """The most that tensors have taken: what a card must have, were its memory never in pieces."""
    return torch.cuda.max_memory_allocated(device) / GIB if device.type == "cuda" else 0.0


def start(arguments, profile, gpus):
    """Run one profile in processes of its own; its figures, or None."""
    flags = [f"--{n}={getattr(arguments, n)}" for n in ("frames", "side", "steps", "warmup")]
    flags += [f"--limit_s={arguments.limit_s}", f"--only={profile}"]
    flags += ["--tiny"] if arguments.tiny else []
    flags += ["--shard"] if arguments.shard and gpus > 1 else []
    command = [sys.executable]
    if gpus > 1:
        command += ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={gpus}"]
    run = subprocess.run([*command, __file__, *flags], stdout=subprocess.PIPE, text=True)
    lines = [line for line in run.stdout.splitlines() if line.startswith("{")]
    if run.returncode or not lines:
        print(f"profile {profile} on {gpus} GPUs failed with code {run.returncode}", flush=True)
        return None
    print(lines[-1], flush=True)
    return json.loads(lines[-1])


def faults(result):
    """What of the limits a run did not keep."""
    losses, found = result["losses"], []
    if not all(map(math.isfinite, losses)) or losses[-1] >= losses[0]:
        found.append("the loss does not fall")
    if result["peak_gib"] > MOST_GIB[result["profile"]]:
        found.append("too much memory")
    return found


def table(results):
    """The figures of all runs as lines of text."""
    rows = [["profile", "GPUs", "s/step", "samples/s", "peak GiB", "loss", "weights", "faults"]]
    for r in results:
        loss = f"{r['losses'][0]:.3f} -> {r['losses'][-1]:.3f}"
        figures = [f"{r['seconds_per_step']:.2f}", f"{r['samples_per_second']:.3f}"]
        rows.append([str(r["profile"]), str(r["gpus"]), *figures, f"{r['peak_gib']:.1f}", loss,
                     r["where"], ", ".join(faults(r)) or "none"])  # fmt: skip
    return aligned(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--profiles", type=int, nargs="+", default=None, choices=(80, 48))
    add("--gpus", type=int, default=1, help="compare one GPU with so many")
    add("--shard", action="store_true", help="the frozen weights split over the GPUs")
    add("--frames", type=int, default=49)
    add("--side", type=int, default=512)
    add("--steps", type=int, default=20)
    add("--warmup", type=int, default=2)
    add("--limit_s", type=float, default=120, help="stop a run's steps after so long")
    add("--tiny", action="store_true", help="a tiny model on the CPU")
    add("--only", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.tiny:
        arguments.frames, arguments.side = min(arguments.frames, 9), min(arguments.side, 64)
    if arguments.only:
        run_one(arguments)
        return 0
    profiles = arguments.profiles or ([80, 48] if arguments.gpus == 1 else [80])
    counts = sorted({1, arguments.gpus})
    runs = [start(arguments, *pair) for pair in itertools.product(profiles, counts)]
    results = [result for result in runs if result is not None]
    print("\n".join(table(results)), flush=True)
    good = len(results) == len(runs) and not any(map(faults, results))
    speed = {r["gpus"]: r["samples_per_second"] for r in results if r["profile"] == profiles[0]}
    if len(speed) == 2:
        ratio = speed[arguments.gpus] / speed[1]
        good &= arguments.tiny or ratio >= LEAST_SPEED_UP * arguments.gpus
        print(f"{arguments.gpus} GPUs make {ratio:.2f} times the samples of one", flush=True)
    alone = [r["losses"] for r in results if r["gpus"] == 1]
    if len(alone) == 2:  # streamed blocks must train as resident ones
        apart = max(abs(a - b) / a for a, b in zip(*alone, strict=False))
        good &= apart <= MOST_DIFFERENCE
        print(f"losses of the two profiles differ by at most {apart:.2%}", flush=True)
    if os.environ.get("OUT"):
        Path(os.environ["OUT"], "train.json").write_text(json.dumps(results, indent=1) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
