"""The adapter on a tiny random transformer, and samples as a cache would give them."""

from __future__ import annotations

import torch

from ex4d.engines.wan.transformer import Transformer
from ex4d.training.cache.files import Encoded
from ex4d.training.fit.adapter import make_adapter
from ex4d.training.fit.blocks import TrainingBlocks
from ex4d.training.fit.model import AdapterModel, Sample
from tests.ex4d.engines.wan import tiny

CPU = torch.device("cpu")


def shapes_of(model):
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def make_base():
    return tiny.make_transformer().eval().requires_grad_(False)


def make_model(*, n_resident=tiny.LAYERS, rank=4, hidden=24, base=None, device=CPU):
    base = base or make_base()
    adapter = make_adapter(shapes_of(base), rank, 0, hidden=hidden)
    adapter.change(base)
    blocks = TrainingBlocks(base, device, n_resident=n_resident)
    model = AdapterModel(adapter, Transformer(base, blocks, device, 512), device)
    return model.to(device)


def make_sample(seed=0, level=400, grid=(3, 6, 4)):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(shape, generator=generator)

    video, color, mask, first = (draw(1, 16, *grid) for _ in range(4))
    encoded = Encoded(video, color, mask, first, draw(1, 257, 1280))
    return Sample(encoded, draw(9, tiny.TEXT_DIM), level, draw(1, 16, *grid))


def give_effect(adapter, seed=1):
    """Random values instead of the zeros that an adapter begins with."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in adapter.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.1, generator=generator)
    return adapter
