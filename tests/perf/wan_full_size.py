"""The engine wan at full size with random weights, end to end, once for each memory profile.

    PYTHONPATH=. python tests/perf/wan_full_size.py [--profiles 80 48 24 16] [--steps 25]
    PYTHONPATH=. python tests/perf/wan_full_size.py --tiny --steps 2     (on a CPU, to see it run)

Each profile gets a process of its own, whose memory on the GPU is limited to the profile's. From
condition files to an mp4: seconds and peak memory of every stage, beside the public code's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ex4d.conditions.files import read_conditions, write_conditions
from ex4d.conditions.render import Conditions
from ex4d.engines.base import GenerateSettings, Watcher
from ex4d.engines.wan.architecture import make_image_encoder, make_vae
from ex4d.engines.wan.diffsynth import import_diffsynth, without_values
from ex4d.engines.wan.engine import WanEngine
from ex4d.engines.wan.geometry import GeometryEncoder
from ex4d.engines.wan.load import Models, place_transformer
from ex4d.engines.wan.memory import PROFILES_GIB, plan_memory
from ex4d.engines.wan.model import Sizes, WanTransformer
from ex4d.engines.wan.prompts import PromptCache, TextEncoder
from ex4d.engines.wan.vae.autoencoder import VideoAutoencoder
from ex4d.engines.wan.vae.model import WanVae
from ex4d.video.writer import write_video
from tests.ex4d.engines.wan import tiny
from tests.perf.random_weights import CONTEXT_GIB, GIB, fill
from tests.perf.tables import aligned

STAGES = ("text", "encode", "warm_up", "denoise", "decode", "write")
PUBLIC_CODE = {"text": 2.6, "encode": 1.5, "denoise": 59.4, "decode": 0.8}  # H200, measured


def shapes_of(make):
    with torch.device("meta"):
        return {name: tuple(p.shape) for name, p in make().state_dict().items()}


def make_models(profile_gib, device, folder, *, is_tiny):
    """Full-size models, or tiny ones, with random weights."""
    sizes = Sizes(**tiny.TRANSFORMER) if is_tiny else Sizes()
    with without_values():
        transformer = WanTransformer(sizes)
        geometry = GeometryEncoder(16, 16 if is_tiny else 1024, sizes.dim, (1, 2, 2))
        text = import_diffsynth("models.wan_video_text_encoder").WanTextEncoder
        vocabulary = {"vocab": 200 if is_tiny else 256384}
        small = {"dim": 32, "dim_attn": 32, "dim_ffn": 64, "num_heads": 2, "num_layers": 2}
        text_encoder = text(**vocabulary, **(small if is_tiny else {}))
    fill(transformer, device)
    block_bytes = sum(p.numel() * p.element_size() for p in transformer.blocks[0].parameters())
    plan = plan_memory(profile_gib, len(transformer.blocks), block_bytes, sizes.dim)
    vae_shapes = shapes_of(WanVae)
    vision = import_diffsynth("models.wan_video_image_encoder").VisionTransformer
    vit = {"image_size": 224, "patch_size": 14, "dim": 1280, "out_dim": 1024, "num_heads": 16}
    image_shapes = shapes_of(lambda: vision(**vit, num_layers=32, activation="gelu"))
    if is_tiny:
        vae_shapes = {n: tuple(t.shape) for n, t in tiny.make_vae().state_dict().items()}
        image = tiny.make_image_encoder().state_dict()
        image_shapes = {n: tuple(t.shape) for n, t in image.items()}
    vae = fill(make_vae(vae_shapes), device)
    image_encoder = fill(
        make_image_encoder({f"visual.{n}": shape for n, shape in image_shapes.items()}), device
    )
    if plan.keeps_encoders:
        vae.to(device)
        image_encoder.to(device)
    tiny.write_tokenizer(folder / "tokenizer")
    texts = TextEncoder(fill(text_encoder, device), folder / "tokenizer", device)
    prompts = PromptCache(folder / "prompts", "random")
    return Models(
        device,
        plan,
        place_transformer(transformer, device, plan),
        fill(geometry, device).to(device),
        VideoAutoencoder(vae, device, plan.tile_px, plan.encoded_px),
        image_encoder,
        lambda asked: [prompts.get(prompt, partial(texts.encode, prompt)) for prompt in asked],
    )


@dataclass
class Stopwatch(Watcher):
    """Seconds and peak memory of each stage."""

    seconds: dict[str, float] = field(default_factory=dict)
    peak_gib: dict[str, float] = field(default_factory=dict)
    stage: str = ""
    started: float = 0.0

    def progress(self, stage, done, total):
        if stage != self.stage:
            self.turn(stage)

    def turn(self, stage):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.monotonic()
        if self.stage:
            self.seconds[self.stage] = now - self.started
            if torch.cuda.is_available():
                self.peak_gib[self.stage] = torch.cuda.max_memory_reserved() / GIB
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        self.stage, self.started = stage, now


def make_files(folder, n_frames, side):
    """Conditions of a moving scene with a hole of a third of the frame."""
    color = np.random.default_rng(0).integers(40, 220, (1, side // 8, side // 8, 3))
    color = color.repeat(8, axis=1).repeat(8, axis=2).repeat(n_frames, axis=0).astype(np.uint8)
    mask = np.ones((n_frames, side, side), bool)
    for frame in range(1, n_frames):
        color[frame] = np.roll(color[0], 2 * frame, axis=1)
        mask[frame, :, side // 3 : 2 * side // 3] = False
    color[~mask] = 0
    write_conditions(folder, "perf", Conditions(color, mask), Fraction(24))


def run_one(arguments):
    """One profile, in this process; prints its figures as JSON."""
    device = torch.device("cpu" if arguments.tiny else "cuda")
    if not arguments.tiny:
        total = torch.cuda.get_device_properties(0).total_memory / GIB
        limit = min(1.0, (arguments.only - CONTEXT_GIB) / total)
        torch.cuda.set_per_process_memory_fraction(limit)
    with tempfile.TemporaryDirectory() as name:
        folder, watch = Path(name), Stopwatch()
        make_files(folder, arguments.frames, arguments.side)
        started = time.monotonic()
        models = make_models(arguments.only, device, folder, is_tiny=arguments.tiny)
        made = time.monotonic() - started
        engine = WanEngine(lambda report, precision: models)
        conditions, fps = read_conditions(folder / "color_perf.mp4", folder / "mask_perf.mp4")
        settings = GenerateSettings(num_inference_steps=arguments.steps)
        begun = time.monotonic()
        frames = engine.generate(conditions, seed=0, settings=settings, watcher=watch)
        watch.turn("write")
        write_video(folder / "result.mp4", frames, fps)
        watch.turn("")
        total_s = time.monotonic() - begun
        assert frames.shape == conditions.color.shape, frames.shape
        assert (folder / "result.mp4").stat().st_size > 0
    blocks = models.transformer.n_blocks
    figures = {
        "profile": arguments.only,
        "plan": models.plan.describe(blocks),
        "making_models": made,
        "seconds": watch.seconds,
        "peak_gib": watch.peak_gib,
        "total": total_s,
    }
    print(json.dumps(figures), flush=True)


def table(results):
    """The figures of all profiles as lines of text."""
    head = ["profile", *STAGES, "all", "peak GiB", "denoise : 80", "plan"]
    rows = [head, ["public", *(f"{PUBLIC_CODE.get(s, 0):.1f}" for s in STAGES), "", "", "", ""]]
    reference = next((r["seconds"]["denoise"] for r in results if r["profile"] == 80), None)
    for r in results:
        ratio = "" if reference is None else f"{r['seconds']['denoise'] / reference:.2f}"
        peak = max(r["peak_gib"].values(), default=0.0)
        cells = [f"{r['seconds'].get(stage, 0):.1f}" for stage in STAGES]
        rows.append(
            [str(r["profile"]), *cells, f"{r['total']:.1f}", f"{peak:.1f}", ratio, r["plan"]]
        )
    return aligned(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--profiles", type=int, nargs="+", default=list(PROFILES_GIB))
    add("--frames", type=int, default=49)
    add("--side", type=int, default=512)
    add("--steps", type=int, default=25)
    add("--tiny", action="store_true", help="tiny models on the CPU")
    add("--only", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.tiny:
        arguments.frames, arguments.side = min(arguments.frames, 9), min(arguments.side, 64)
    if arguments.only:
        run_one(arguments)
        return 0
    results, failed = [], 0
    for profile in arguments.profiles:
        flags = [f"--{n}={getattr(arguments, n)}" for n in ("frames", "side", "steps")]
        flags += ["--tiny"] if arguments.tiny else []
        command = [sys.executable, __file__, f"--only={profile}", *flags]
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if run.returncode:
            failed += 1
            print(f"profile {profile} failed with exit code {run.returncode}", flush=True)
            continue
        results.append(json.loads(run.stdout.splitlines()[-1]))
        print(run.stdout.splitlines()[-1], flush=True)
    print("\n".join(table(results)), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
