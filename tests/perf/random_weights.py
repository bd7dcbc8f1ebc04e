"""Full-size models with random weights."""

from __future__ import annotations

import torch

from ex4d.engines.wan.transformer import compute_dtype

__all__ = ["CONTEXT_GIB", "GIB", "fill"]

GIB = 1 << 30
CONTEXT_GIB = 0.6  # of CUDA itself, which torch's limit does not count


def fill(module, device, onto="cpu"):
    """Give a module made without values random ones, in the device's format, on the CPU or where
    it is asked for."""
    generator = torch.Generator(device).manual_seed(0)
    for name, parameter in module.state_dict().items():
        value = torch.empty(parameter.shape, dtype=compute_dtype(device), device=device)
        if parameter.ndim > 1:
            value.normal_(0, 0.02, generator=generator)
        else:
            value.fill_(float("norm" in name and name.endswith("weight")))
        module.load_state_dict({name: value.to(onto)}, strict=False, assign=True)
    return module.eval().requires_grad_(False)
