"""Wan's video autoencoder at full size with random weights, beside the public code's classes.

    PYTHONPATH=. python tests/perf/wan_vae.py [--rounds 5] [--frames 49] [--side 512]     (one GPU)

In turns, in one process, medians: all that a clip encodes (colour, mask and first frame) and its
decoding; then the kernels that take the time, and how far each is from float32. What was predicted
and what came out: wan_vae.md.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from ex4d.engines.wan.diffsynth import import_diffsynth, without_values
from ex4d.engines.wan.encoding import color_values, first_frame_values, mask_values
from ex4d.engines.wan.vae.autoencoder import VideoAutoencoder
from ex4d.engines.wan.vae.model import WanVae
from tests.perf.random_weights import GIB
from tests.perf.tables import aligned

DEVICE = torch.device("cuda")
MUTE = [torch.zeros(16), torch.ones(16)]  # of the public class: latents as they are


def draw_weights(model):
    """Random values under which activations neither grow nor fade."""
    generator = torch.Generator(DEVICE).manual_seed(0)
    state = {}
    for name, tensor in model.state_dict().items():
        value = torch.empty(tensor.shape, device=DEVICE)
        if "gamma" in name:
            value.uniform_(0.7, 1.3, generator=generator)
        else:
            spread = 0.05 if value.ndim == 1 else value[0].numel() ** -0.5
            value.normal_(0, spread, generator=generator)
        state[name] = value.bfloat16()
    return state


class Case:
    """The same weights in both classes, and a clip."""

    def __init__(self, frames, side):
        library = import_diffsynth("models.wan_video_vae")
        with without_values():
            model, self.public, self.exact = WanVae(), library.VideoVAE_(), library.VideoVAE_()
        state = draw_weights(model)
        model.load_state_dict(state, assign=True)
        model.mean, model.deviation = MUTE
        self.public.load_state_dict({n: t.clone() for n, t in state.items()}, assign=True)
        self.exact.load_state_dict({n: t.float() for n, t in state.items()}, assign=True)
        for module in (model, self.public, self.exact):
            module.eval().requires_grad_(False)
        self.ours = VideoAutoencoder(model, DEVICE)
        self.frames, self.size = slice(0, frames), (side, side)
        rng = np.random.default_rng(0)
        blocks = rng.integers(0, 256, (frames, side // 16, side // 16, 4), dtype=np.uint8)
        video = blocks.repeat(16, 1).repeat(16, 2)
        self.videos = [
            color_values(video[..., :3]),
            mask_values(video[..., 3] > 80),
            first_frame_values(video[0, ..., :3]),
        ]
        shape = (1, 16, 1 + (frames - 1) // 4, side // 8, side // 8)
        self.latents = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(DEVICE)

    def encode(self):
        return self.ours.encode(self.videos, self.frames, self.size, lambda done, total: None)

    def decode(self):
        return self.ours.decode(self.latents, lambda done, total: None)

    @torch.no_grad()
    def public_encode(self, model=None):
        model = model or self.public
        videos = [
            read(self.frames, DEVICE).bfloat16().permute(3, 0, 1, 2)[None] for read in self.videos
        ]
        if model is self.exact:
            return torch.cat([model.encode(video.float(), MUTE) for video in videos])
        with torch.autocast("cuda", torch.bfloat16):
            return torch.cat([model.encode(video, MUTE) for video in videos])

    @torch.no_grad()
    def public_decode(self, model=None):
        model = model or self.public
        latents = self.latents.bfloat16()
        if model is self.exact:
            return model.decode(latents.float(), MUTE)
        with torch.autocast("cuda", torch.bfloat16):
            return model.decode(latents, MUTE)


def seconds(work):
    torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def errors(case):
    """Of both from float32, relative, and of ours from the public code's."""
    exact = case.public_encode(case.exact)
    pairs = {"encode": (case.encode(), case.public_encode(), exact)}
    ours = torch.cat(list(case.ours._decoded(case.latents))).permute(3, 0, 1, 2)[None]
    pairs["decode"] = (ours, case.public_decode(), case.public_decode(case.exact))

    def off(one, other):
        return f"{float((one.float() - other).norm() / other.float().norm()):.4f}"

    rows = [["", "ours: float32", "public: float32", "ours: public"]]
    return rows + [
        [name, off(ours, exact), off(public, exact), off(ours, public.float())]
        for name, (ours, public, exact) in pairs.items()
    ]


def kernels(work, most=12):
    """The kernels that take the longest: ms, launches, name."""
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        work()
        torch.cuda.synchronize()
    found = sorted(profiled.key_averages(), key=lambda e: -e.self_device_time_total)
    return [[f"{e.self_device_time_total / 1e3:.1f}", str(e.count), e.key[:90]] for e in found][
        :most
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=49)
    parser.add_argument("--side", type=int, default=512)
    arguments = parser.parse_args()
    case = Case(arguments.frames, arguments.side)
    works = {
        "ours: encode 3": case.encode,
        "ours: decode": case.decode,
        "public: encode 3": case.public_encode,
        "public: decode": case.public_decode,
    }
    taken, first, peaks = {name: [] for name in works}, {}, {}
    for name, work in works.items():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        first[name] = seconds(work)
        peaks[name] = (torch.cuda.max_memory_allocated() - before) / GIB
    for _ in range(arguments.rounds):
        for name, work in works.items():
            taken[name].append(seconds(work))
    rows = [["seconds", "median", "from", "to", "first", "peak GiB"]]
    for name, times in taken.items():
        figures = (statistics.median(times), min(times), max(times), first[name], peaks[name])
        rows.append([name, *(f"{figure:.3f}" for figure in figures)])
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}", flush=True)
    print("\n".join(aligned(rows)), flush=True)
    print("\n".join(aligned(errors(case))), flush=True)
    for name in ("ours: encode 3", "ours: decode"):
        print("\n".join([name, *aligned(kernels(works[name]))]), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
