"""A step-distilled LoRA added to weights, name by name, in float64."""

from __future__ import annotations


def merged(weights, lora, prefix="diffusion_model."):
    """The weights with everything that the tensors of a LoRA's file say added to them."""
    sums = {name: weight.double().clone() for name, weight in weights.items()}
    for name, tensor in lora.items():
        part, _, kind = name.removeprefix(prefix).rpartition(".")
        if kind == "diff":
            sums[f"{part}.weight"] += tensor.double()
        elif kind == "diff_b":
            sums[f"{part}.bias"] += tensor.double()
        elif kind == "diff_m":
            sums[f"{part}.modulation"] += tensor.double()
        elif part.endswith(".lora_up"):
            part = part.removesuffix(".lora_up")
            down = lora[name.replace("lora_up", "lora_down")].double()
            alpha = lora.get(f"{prefix}{part}.alpha", len(down))
            sums[f"{part}.weight"] += float(alpha) / len(down) * tensor.double() @ down
    return sums
