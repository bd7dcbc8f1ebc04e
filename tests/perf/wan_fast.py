"""What makes a clip with fewer evaluations, at full size with random weights: seconds and errors.

    PYTHONPATH=. python tests/perf/wan_fast.py
    PYTHONPATH=. python tests/perf/wan_fast.py --tiny     (on a CPU, to see it run)

Fast is 4 steps with the step-distilled LoRA beside the weights, from conditions in memory to an
mp4, on a model that is warm and with a prompt that is known; beside it the same without the LoRA.
Then 25 steps with the step cache at several strengths: how many are evaluated, how long that takes,
and how far the latents are from those of all steps. Random weights say nothing of a picture.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import torch
from safetensors.torch import save_file

from ex4d.conditions.files import read_conditions
from ex4d.engines.base import WITH_STEPS_LORA, GenerateSettings, Watcher
from ex4d.engines.wan.engine import WanEngine
from ex4d.engines.wan.sampling import Prompts, make_noise, sample
from ex4d.engines.wan.steps_lora import read_steps_lora
from ex4d.engines.wan.transformer import Conditioning
from ex4d.engines.wan.weights import StoredTensor, shapes_of
from ex4d.engines.wan.windows import Window, n_latents_of
from ex4d.video.writer import write_video
from tests.perf.tables import aligned
from tests.perf.wan_full_size import make_files, make_models

RANK = 64
STRENGTHS = (0.0, 0.05, 0.1, 0.2, 0.4)


class Stages(Watcher):
    """Seconds of each stage, the GPU's work in them."""

    def __init__(self):
        self.seconds, self._stage, self._began_s = {}, "", 0.0

    def progress(self, stage, done, total):
        if stage != self._stage:
            self.turn(stage)

    def turn(self, stage):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now_s = time.monotonic()
        if self._stage:
            self.seconds[self._stage] = self.seconds.get(self._stage, 0) + now_s - self._began_s
        self._stage, self._began_s = stage, now_s


def write_lora(model, path, device):
    """A LoRA of the public one's size: matrices of rank 64, and what is small."""
    generator = torch.Generator(device).manual_seed(1)
    tensors = {}
    for name, parameter in model.named_parameters():
        part, _, kind = f"diffusion_model.{name}".rpartition(".")
        if parameter.ndim == 2 and kind == "weight" and "head" not in name:
            shapes = {
                "lora_up": (parameter.shape[0], RANK),
                "lora_down": (RANK, parameter.shape[1]),
            }
            for side, shape in shapes.items():
                value = torch.randn(shape, device=device, generator=generator) * 0.02
                tensors[f"{part}.{side}.weight"] = value.bfloat16().cpu()
        elif parameter.ndim != 5:
            suffix = {"weight": "diff", "bias": "diff_b", "modulation": "diff_m"}[kind]
            value = torch.randn(parameter.shape, device=device, generator=generator) * 0.01
            tensors[f"{part}.{suffix}"] = value.bfloat16().cpu()
    save_file(tensors, path)
    return path.stat().st_size


def with_lora(models, folder):
    """The models with an overlay of random values on their transformer."""
    model, device = models.transformer._model, models.device
    values = dict(model.named_parameters())
    stored = {
        name: StoredTensor(
            Path("random"), tuple(value.shape), functools.partial(torch.clone, value.data)
        )
        for name, value in values.items()
    }
    path = folder / "steps.safetensors"
    size = write_lora(model, path, device)
    began_s = time.monotonic()
    lora = read_steps_lora(path, shapes_of(stored))
    on_cpu = {n: replace(t, load=lambda t=t: t.load().cpu()) for n, t in stored.items()}
    overlay = models.transformer.overlay_of(lora, on_cpu)
    print(f"LoRA: {size / 1e6:.0f} MB, overlay in {time.monotonic() - began_s:.1f} s", flush=True)
    encode = functools.cache(models.encode_prompts)  # as PromptCache does
    return replace(models, steps_overlay=lambda: overlay, encode_prompts=encode)


def time_clip(models, conditions, settings, folder):
    """Seconds from conditions in memory to an mp4, in all and by stage."""
    engine, stages = WanEngine(lambda report: models), Stages()
    began_s = time.monotonic()
    frames = engine.generate(conditions, seed=0, settings=settings, watcher=stages)
    stages.turn("write")
    write_video(folder / "result.mp4", frames, Fraction(24))
    stages.turn("")
    return {"all": time.monotonic() - began_s, **stages.seconds}


def fast_rows(models, conditions, folder, rounds):
    """Rows of a table: with the LoRA and without, in turns; medians."""
    plain = replace(WITH_STEPS_LORA, steps_lora=False)
    kinds = {"4 steps with the LoRA": WITH_STEPS_LORA, "4 steps without": plain}
    times = {name: [] for name in kinds}
    for number in range(rounds + 1):
        for name, settings in kinds.items():
            seconds = time_clip(models, conditions, settings, folder)
            if number:
                times[name].append(seconds)
    rows = []
    for name, all_ in times.items():
        stages = list(all_[0])
        medians = {stage: statistics.median(s.get(stage, 0) for s in all_) for stage in stages}
        rows.append((name, *(f"{medians.get(s, 0):.2f}" for s in HEAD[1:])))
        print(json.dumps({"what": name, "rounds": all_}), flush=True)
    return rows


HEAD = ("", "text", "encode", "denoise", "decode", "write", "all")


def random_job(models, n_frames, side):
    """What a clip's denoising gets, at random."""
    device, transformer = models.device, models.transformer
    sizes, n_latents, grid = transformer._model.sizes, n_latents_of(n_frames), side // 8
    generator = torch.Generator("cpu").manual_seed(2)

    def random(*shape):
        return torch.randn(shape, generator=generator).to(device)

    shape = (1, sizes.out_dim, n_latents, grid, grid)
    with torch.no_grad():
        text = transformer.embed_text(random(25, sizes.text_dim))
        image = transformer.embed_image(random(1, 257, 1280))
    first = random(1, sizes.in_dim - sizes.out_dim, *shape[2:])
    window = [(Window(0, n_latents), Conditioning(first, None, image))]
    return window, Prompts(text), make_noise(shape, 0).to(device)


def cache_rows(models, arguments):
    """Rows of a table: strength, steps evaluated, seconds, error."""
    windows, prompts, noise = random_job(models, arguments.frames, arguments.side)
    transformer, evaluated, rows, full = models.transformer, [], [], None
    velocities = transformer.velocities

    def counted(*given):
        evaluated.append(1)
        return velocities(*given)

    transformer.velocities = counted
    for strength in STRENGTHS:
        settings = GenerateSettings(
            num_inference_steps=arguments.steps, guidance_scale=1.0, step_cache=strength
        )
        evaluated.clear()
        stages = Stages()
        stages.turn("denoise")
        latents = sample(transformer, windows, prompts, noise, settings, lambda *_: None)
        stages.turn("")
        full = latents if full is None else full
        error = float((latents - full).norm() / full.norm())
        seconds = stages.seconds["denoise"]
        rows.append((f"{strength:g}", str(len(evaluated)), f"{seconds:.2f}", f"{error:.2%}"))
        print(json.dumps(rows[-1]), flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--frames", type=int, default=49)
    add("--side", type=int, default=512)
    add("--steps", type=int, default=25)
    add("--rounds", type=int, default=3)
    add("--profile", type=int, default=80)
    add("--tiny", action="store_true", help="tiny models on the CPU")
    arguments = parser.parse_args()
    if arguments.tiny:
        arguments.frames, arguments.side, arguments.rounds = 9, 64, 1
    device = torch.device("cpu" if arguments.tiny else "cuda")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_files(folder, arguments.frames, arguments.side)
        conditions, _ = read_conditions(folder / "color_perf.mp4", folder / "mask_perf.mp4")
        models = make_models(arguments.profile, device, folder, is_tiny=arguments.tiny)
        models = with_lora(models, folder)
        rows = fast_rows(models, conditions, folder, arguments.rounds)
        print("\n".join(aligned([HEAD, *rows])), flush=True)
        head = ("strength", "evaluated", "seconds", "error")
        print("\n".join(aligned([head, *cache_rows(models, arguments)])), flush=True)
    if not arguments.tiny:
        print(f"peak {torch.cuda.max_memory_allocated() / (1 << 30):.1f} GiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
