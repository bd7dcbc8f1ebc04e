"""A forward of Wan's transformer at full size in each fp8 tier, with random weights.

    PYTHONPATH=. python tests/perf/wan_fp8.py [--rounds 4]     (one GPU of 80 GB)

In turns, in one process, by CUDA events, medians: in bfloat16 and in each tier, and the floor of
bfloat16 and of the tier fp8: the same matrix products and attention back to back, nothing else.
Then how far each tier's velocities are from bfloat16's, and its latents after a few steps.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import torch

from ex4d.engines.base import PRECISIONS, GenerateSettings
from ex4d.engines.wan.diffsynth import without_values
from ex4d.engines.wan.load import place_transformer
from ex4d.engines.wan.memory import EVERYTHING_STAYS
from ex4d.engines.wan.model import Sizes, WanTransformer
from ex4d.engines.wan.sampling import Prompts, sample
from ex4d.engines.wan.windows import Window
from tests.perf.tables import aligned
from tests.perf.wan_forward import (
    DEVICE,
    Case,
    compare,
    error,
    kernels_of,
    without_gradients,
)

MOST_OF_FLOOR, MOST_OF_EXACT = 1.12, 0.78


class Tier:
    """The same weights, those of the tier's layers rounded; the others are shared."""

    def __init__(self, case, precision):
        with without_values():
            self.model = WanTransformer(case.sizes)
        self.model.load_state_dict(case.model.state_dict(), assign=True)
        self.transformer = place_transformer(
            self.model, DEVICE, EVERYTHING_STAYS, precision=precision
        )
        self.case = case

    @torch.no_grad()
    def velocities(self):
        case = self.case
        return self.transformer.velocities(
            case.latents, case.time, case.texts, case.conditioning, case.kept
        )

    def latents(self, steps):
        case = self.case
        window = Window(0, case.latents.shape[2])
        settings = GenerateSettings(num_inference_steps=steps)
        return sample(
            self.transformer, [(window, case.conditioning)], Prompts(*case.texts), case.latents,
            settings, lambda *_: None,
        )  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--frames", type=int, default=49)
    add("--side", type=int, default=512)
    add("--layers", type=int, default=40)
    add("--rounds", type=int, default=4)
    add("--steps", type=int, default=5, help="of the latents that are compared")
    arguments = parser.parse_args()
    case = Case(Sizes(num_layers=arguments.layers), arguments.frames, arguments.side, public=False)
    tiers = {name: Tier(case, name) for name in PRECISIONS}
    case.transformer.warm_up(lambda done, total: None)
    works = {"floor": without_gradients(case.floor())}
    works["floor of fp8"] = without_gradients(case.floor(list(tiers["fp8"].model.blocks)))
    works |= {name: tier.velocities for name, tier in tiers.items()}
    figures = compare(works, arguments.rounds)
    exact, exact_latents = tiers["bf16"].velocities(), tiers["bf16"].latents(arguments.steps)
    head = ["", "ms a forward", "from", "to", ": bf16", "MHz", "W", "velocities off", "latents off"]
    rows = [head]
    for name, (ms, clock, power, least, most) in figures.items():
        off = ["", ""]
        if name in tiers:
            pairs = zip(tiers[name].velocities(), exact, strict=True)
            off = [
                " ".join(f"{error(a, b):.4f}" for a, b in pairs),
                f"{error(tiers[name].latents(arguments.steps), exact_latents):.4f}",
            ]
        cells = [f"{x / 2:.1f}" for x in (ms, least, most)]
        ratio = ms / figures["bf16"][0]
        rows.append([name, *cells, f"{ratio:.3f}", f"{clock:.0f}", f"{power:.0f}", *off])
    print("\n".join(aligned(rows)), flush=True)
    for name in ("floor of fp8", "fp8"):
        top, total = kernels_of(works[name])
        print(f"{name}: kernels {total / 2:.1f} ms a forward")
        lines = [[f"{ms / 2:8.2f}", str(count), key[:100]] for key, count, ms in top]
        print("\n".join(aligned(lines)), flush=True)
    if "OUT" in os.environ:
        (Path(os.environ["OUT"]) / "wan_fp8.json").write_text(json.dumps(figures))
    of_floor = figures["fp8"][0] / figures["floor of fp8"][0]
    of_exact = figures["fp8"][0] / figures["bf16"][0]
    print(f"fp8 : its floor = {of_floor:.3f}, fp8 : bf16 = {of_exact:.3f}", flush=True)
    return 0 if of_floor <= MOST_OF_FLOOR and of_exact <= MOST_OF_EXACT else 1


if __name__ == "__main__":
    sys.exit(main())
