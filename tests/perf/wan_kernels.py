"""The kernels of Wan's blocks alone, at full size, in several sizes of their programs.

    PYTHONPATH=. python tests/perf/wan_kernels.py [--frames 49] [--side 512]     (one GPU)

Microseconds by CUDA events, medians, and the bytes that must be moved over that time.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
from functools import partial

import torch

from ex4d.engines.wan import cross_kernels, fused, kernels, plain
from ex4d.engines.wan.cross_keys import KeysAndValues
from ex4d.engines.wan.rotation import rotation_of
from tests.perf.tables import aligned

DEVICE = torch.device("cuda")
WIDTH, HIDDEN, HEAD, TEXT_TOKENS, IMAGE_TOKENS = 5120, 13824, 128, 512, 257
CROSS = ((128, 64, 8, 2), (128, 64, 8, 1), (128, 32, 8, 2), (128, 32, 8, 3), (64, 64, 4, 1),
         (64, 64, 4, 2), (64, 32, 4, 2), (64, 32, 4, 3))  # fmt: skip


def microseconds(work, repeats=20):
    """Median time of short work."""
    for _ in range(5):
        work()
    events = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(repeats)]
    for start, end in events:
        start.record()
        work()
        end.record()
    torch.cuda.synchronize()
    return 1000 * statistics.median(start.elapsed_time(end) for start, end in events)


def norms(grid, half):
    """The kernels that the memory bounds, by the number of warps."""
    n, tokens = len(half), half.float()
    weight, vector = half[0].contiguous(), tokens[0].contiguous()
    rotation = rotation_of(grid, HEAD, DEVICE)
    add = partial(kernels.add_and_normalise, tokens, half, eps=1e-6, dtype=torch.bfloat16)
    turn = partial(kernels.normalise_and_rotate, half, weight, rotation, head_width=HEAD, eps=1e-6)
    back = partial(kernels.add_and_normalise_back, tokens, (tokens, half), vector, vector, eps=1e-6)
    turn_back = partial(
        kernels.normalise_and_rotate_back, half, weight, rotation, half, head_width=HEAD, eps=1e-6
    )
    works = {
        "gate, sum, norm": (12 * n * WIDTH, lambda: add(vector, vector, vector)),
        "sum, norm": (12 * n * WIDTH, lambda: add(None, vector, vector)),
        "norm, rotation": (4 * n * WIDTH, turn),
        "gate, sum, norm: gradients": (16 * n * WIDTH, lambda: back(update_dtype=half.dtype)),
        "norm, rotation: gradients": (6 * n * WIDTH, turn_back),
    }
    kept = kernels.WARPS
    for (name, (n_bytes, work)), warps in itertools.product(works.items(), (4, 8)):
        kernels.WARPS = warps
        us = microseconds(work)
        yield [name, f"{warps} warps", f"{us:.0f}", f"{n_bytes / us / 1e6:.2f}"]
    kernels.WARPS = kept


def cross_attention(half):
    """The kernel in several sizes, and PyTorch's attention, twice, with the sum."""
    image = KeysAndValues(half[:IMAGE_TOKENS], half[:IMAGE_TOKENS].clone())
    names = ("_QUERIES", "_KEYS", "_CROSS_WARPS", "_STAGES")
    kept = [getattr(cross_kernels, name) for name in names]
    for length in (25, 131, TEXT_TOKENS):
        text = KeysAndValues(half[:length], half[:length].clone(), TEXT_TOKENS - length + 1)
        call = partial(cross_kernels.attend_to_context, half, half[0], text, image, eps=1e-6)
        for sizes in CROSS:
            for name, size in zip(names, sizes, strict=True):
                setattr(cross_kernels, name, size)
            us = microseconds(lambda call=call: call(head_width=HEAD))
            yield [f"cross attention, text {length}", str(sizes), f"{us:.0f}", ""]
        us = microseconds(lambda text=text: fused.sum_of_attention(half, text, image, HEAD))
        yield [f"cross attention, text {length}", "PyTorch, no norm", f"{us:.0f}", ""]
    for name, size in zip(names, kept, strict=True):
        setattr(cross_kernels, name, size)


def products(half):
    """What bounds a forward, alone."""
    layers = [
        torch.nn.Linear(WIDTH, n, device=DEVICE, dtype=torch.bfloat16) for n in (WIDTH, HIDDEN)
    ]
    works = {
        "self attention": lambda: plain.attend(half, half, half, HEAD),
        "5120 -> 5120": lambda: layers[0](half),
        "5120 -> 13824": lambda: layers[1](half),
        "5120 -> 13824, GELU": lambda: torch._addmm_activation(
            layers[1].bias, half, layers[1].weight.T, use_gelu=True
        ),
    }
    for name, work in works.items():
        yield [name, "", f"{microseconds(work):.0f}", ""]


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=49)
    parser.add_argument("--side", type=int, default=512)
    arguments = parser.parse_args()
    grid = (1 + (arguments.frames - 1) // 4, arguments.side // 16, arguments.side // 16)
    half = torch.randn(grid[0] * grid[1] * grid[2], WIDTH, device=DEVICE).bfloat16()
    print(torch.cuda.get_device_name(), torch.__version__)
    rows = [["kernel", "program", "us", "TB/s"]]
    rows += itertools.chain(norms(grid, half), cross_attention(half), products(half))
    print("\n".join(aligned(rows)), flush=True)


if __name__ == "__main__":
    main()
