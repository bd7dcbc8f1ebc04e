"""A forward of Wan's transformer at full size against what bounds it, with random weights.

    PYTHONPATH=. python tests/perf/wan_forward.py [--rounds 6]     (one GPU of 80 GB)

In turns, in one process, by CUDA events, medians:

    floor    the matrix products and attention of one forward, back to back, nothing else
    ours     a step with guidance, halved: two forwards that share what they can
    public   diffsynth's model under autocast with float32 latents, as the public code runs it

Under load a card's power limit lowers its clock, so all three run for seconds before they count,
and clock and power are read while they run. What was predicted and what came out: wan_forward.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch.nn import functional

from ex4d.engines.wan import fused, plain
from ex4d.engines.wan.cross_keys import CrossKeys
from ex4d.engines.wan.diffsynth import import_diffsynth, without_values
from ex4d.engines.wan.load import place_transformer
from ex4d.engines.wan.memory import EVERYTHING_STAYS
from ex4d.engines.wan.model import Sizes, WanTransformer
from ex4d.engines.wan.transformer import Conditioning
from ex4d.errors import MissingPartError
from tests.perf.random_weights import GIB, fill
from tests.perf.tables import aligned

DEVICE = torch.device("cuda")
TEXT_TOKENS, PROMPTS = 512, (24, 130)  # tokens of the usual positive and negative prompt
IMAGE_TOKENS, HEAD = 257, 128


class Case:
    """The models and their inputs, on the GPU."""

    def __init__(self, sizes, frames, side, *, public=True):
        with without_values():
            self.model = WanTransformer(sizes)
        fill(self.model, DEVICE, onto=DEVICE)
        self.sizes, self.blocks = sizes, list(self.model.blocks)
        self.public = self._public() if public else None
        self.transformer = place_transformer(self.model, DEVICE, EVERYTHING_STAYS)
        grid = (1, 16, 1 + (frames - 1) // 4, side // 8, side // 8)
        generator = torch.Generator().manual_seed(0)

        def draw(*shape):
            return torch.randn(shape, generator=generator).to(DEVICE)

        self.latents, self.y = draw(*grid), draw(1, 20, *grid[2:])
        self.geometry = 0.1 * draw(1, sizes.dim, *self.model.grid(self.latents)).bfloat16()
        self.features = draw(1, IMAGE_TOKENS, 1280)
        self.prompts = [draw(length, sizes.text_dim).bfloat16() for length in PROMPTS]
        self.texts = [self.transformer.embed_text(prompt) for prompt in self.prompts]
        image = self.transformer.embed_image(self.features)
        self.conditioning = Conditioning(self.y, self.geometry, image)
        self.timestep = torch.tensor([900.0])
        self.time = self.transformer.embed_time(self.timestep)  # of all steps at once, in a job
        self.kept = CrossKeys()
        self.n_tokens = math.prod(self.model.grid(self.latents))

    def _public(self):
        """diffsynth's model around the same weights; the small parts that our transformer moves
        or casts are its own copies."""
        s = self.sizes
        try:
            library = import_diffsynth("models.wan_video_dit")
        except MissingPartError as error:
            print(f"no public forward: {error}", flush=True)
            return None
        names = ("dim", "in_dim", "ffn_dim", "out_dim", "text_dim", "freq_dim", "patch_size",
                 "num_heads", "num_layers")  # fmt: skip
        with without_values():
            model = library.WanModel(
                **{name: getattr(s, name) for name in names}, eps=1e-6, has_image_input=True
            )
        state = {
            name: tensor if name.startswith("blocks.") else tensor.clone()
            for name, tensor in self.model.state_dict().items()
        }
        model.load_state_dict(state, assign=True)
        model.requires_grad_(False)
        for part in (model.time_embedding, model.time_projection, model.head):
            part.float()
            part.forward = torch.autocast("cuda", dtype=torch.float32)(part.forward)
        return model.eval()

    @torch.no_grad()
    def ours(self):
        """Both branches of the guidance."""
        return self.transformer.velocities(
            self.latents, self.time, self.texts, self.conditioning, self.kept
        )

    @torch.no_grad()
    def public_branches(self):
        """The same, twice through diffsynth's model function."""
        function = import_diffsynth("pipelines.wan_video").model_fn_wan_video
        geometry = self.geometry
        hook = self.public.patch_embedding.register_forward_hook(lambda *a: a[2] + geometry)
        try:
            with torch.autocast("cuda", torch.bfloat16):
                return [
                    function(
                        dit=self.public, latents=self.latents, timestep=self.timestep.to(DEVICE),
                        context=functional.pad(prompt, (0, 0, 0, TEXT_TOKENS - len(prompt)))[None],
                        clip_feature=self.features, y=self.y,
                    )
                    for prompt in self.prompts
                ]  # fmt: skip
        finally:
            hook.remove()

    @torch.no_grad()
    def floor(self, blocks=None):
        """Two times the matrix products and attention of a forward; of `blocks`, whose layers may
        be in fp8: their tokens are rounded before."""
        dim, ffn = self.sizes.dim, self.sizes.ffn_dim
        tokens, hidden, text, image = (
            torch.randn(rows, width, device=DEVICE, dtype=torch.bfloat16)
            for rows, width in (
                (self.n_tokens, dim), (self.n_tokens, ffn), (TEXT_TOKENS, dim), (IMAGE_TOKENS, dim)
            )
        )  # fmt: skip

        rounded = {id(x): fused.round_rows(x) for x in (tokens, hidden)}

        def apply(layer, given):
            layer(given if layer.scales is None else rounded[id(given)])

        def run():
            for _, block in itertools.product(PROMPTS, blocks or self.blocks):
                own, cross = block.self_attn, block.cross_attn
                for layer in (own.q, own.k, own.v, own.o, cross.q, cross.o, block.ffn[0]):
                    apply(layer, tokens)
                apply(block.ffn[2], hidden)
                plain.attend(tokens, tokens, tokens, HEAD)
                for source, layers in (
                    (text, (cross.k, cross.v)),
                    (image, (cross.k_img, cross.v_img)),
                ):
                    for layer in layers:
                        layer(source)
                    plain.attend(tokens, source, source, HEAD)

        with torch.no_grad():
            return run


def without_gradients(work):
    def run():
        with torch.no_grad():
            return work()

    return run


def measured(work):
    """Milliseconds of one call, and clock and power while it ran."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    work()
    end.record()
    query = ["nvidia-smi", "--query-gpu=clocks.sm,power.draw", "--format=csv,noheader,nounits"]
    said = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    end.synchronize()
    clock, power = (float(part) for part in said.splitlines()[0].split(","))
    return start.elapsed_time(end), clock, power


def compare(works, rounds):
    """Run all in turns; the first rounds only make the card warm. Medians by name."""
    samples = {name: [] for name in works}
    for number in range(rounds + 2):
        for name, work in works.items():
            sample = measured(work)
            if number >= 2:
                samples[name].append(sample)
    return {
        name: [statistics.median(column) for column in zip(*rows, strict=True)]
        + [min(r[0] for r in rows), max(r[0] for r in rows)]
        for name, rows in samples.items()
    }


def kernels_of(work, most=12):
    """The kernels of one call that take longest: name, count, milliseconds; and all together."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        work()
        torch.cuda.synchronize()
    events = [(e.key, e.count, e.device_time_total / 1000) for e in profiler.key_averages()]
    events.sort(key=lambda event: -event[2])
    return events[:most], sum(event[2] for event in events)


def error(ours, theirs):
    return float((ours.float() - theirs.float()).norm() / theirs.float().norm())


def check(case):
    """Memory, repeatability, and errors against slower ways to the same."""
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    ours = case.ours()
    peak = torch.cuda.max_memory_allocated() - before
    share = peak / case.n_tokens / case.sizes.dim
    print(
        f"peak beside the weights {peak / GIB:.2f} GiB: {share:.1f} bytes a token and unit of width"
    )
    again = case.ours()
    print(f"the same twice: {all(map(torch.equal, ours, again))}")
    find, fused._triton_kernels = fused._triton_kernels, lambda: None
    in_torch = case.ours()
    fused._triton_kernels = find
    ways = {"kernels : PyTorch": (ours, in_torch)}
    if case.public is not None:
        theirs = case.public_branches()
        ways |= {"kernels : public": (ours, theirs), "PyTorch : public": (in_torch, theirs)}
    for name, pair in ways.items():
        print(f"difference {name}", [f"{error(a, b):.2e}" for a, b in zip(*pair, strict=True)])
    sys.stdout.flush()


def warm_up_seconds(case):
    started = time.monotonic()
    case.transformer.warm_up(lambda done, total: None)
    return time.monotonic() - started


def report(figures):
    """Print the table and what stands around it; return the ratio to the floor."""
    rows = [["", "ms a forward", "from", "to", ": floor", "MHz", "W"]]
    for name, (ms, clock, power, least, most) in figures.items():
        ratio = ms / figures["floor"][0]
        rows.append([name, *(f"{x / 2:.1f}" for x in (ms, least, most)), f"{ratio:.3f}",
                     f"{clock:.0f}", f"{power:.0f}"])  # fmt: skip
    print("\n".join(aligned(rows)), flush=True)
    return figures["ours"][0] / figures["floor"][0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--frames", type=int, default=49)
    add("--side", type=int, default=512)
    add("--layers", type=int, default=40)
    add("--rounds", type=int, default=6)
    add("--warm_up", action="store_true", help="only print the seconds of the warm-up")
    arguments = parser.parse_args()
    properties = torch.cuda.get_device_properties(0)
    print(f"{properties.name}, torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}, "
          f"{arguments.frames} frames {arguments.side}x{arguments.side}", flush=True)  # fmt: skip
    started = time.monotonic()
    case = Case(Sizes(num_layers=arguments.layers), arguments.frames, arguments.side)
    print(f"models made in {time.monotonic() - started:.1f} s", flush=True)
    print(f"warm-up {warm_up_seconds(case):.2f} s", flush=True)
    if arguments.warm_up:
        return 0
    works = {"floor": without_gradients(case.floor()), "ours": case.ours}
    works |= {} if case.public is None else {"public": case.public_branches}
    check(case)
    figures = compare(works, arguments.rounds)
    for name in ("floor", "ours"):
        top, total = kernels_of(works[name])
        print(f"{name}: kernels {total / 2:.1f} ms a forward")
        print(
            "\n".join(
                aligned([[f"{ms / 2:8.2f}", str(count), key[:100]] for key, count, ms in top])
            )
        )
    ratio = report(figures)
    if "OUT" in os.environ:
        (Path(os.environ["OUT"]) / "wan_forward.json").write_text(json.dumps(figures))
    print(f"ours : floor = {ratio:.3f}", flush=True)
    return 0 if ratio <= 1.06 else 1


if __name__ == "__main__":
    sys.exit(main())
