"""The frozen blocks in a training step: wherever they lie, the same numbers."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ex4d.engines.wan.model import Sizes, WanTransformer
from ex4d.training.fit.blocks import resident_blocks
from tests.ex4d.engines.wan import tiny

from .small import give_effect, make_model, make_sample

GIB = 1 << 30
BLOCK_BYTES, N_BLOCKS, WIDTH, TOKENS = 769 << 20, 40, 5120, 13 * 32 * 32  # 49 frames of 512x512


def gradients_of(model, sample):
    model.zero_grad()
    loss = model(sample)
    loss.backward()
    return [loss.detach(), *(p.grad.clone() for p in model.adapter.parameters())]


@pytest.mark.parametrize("n_resident", range(3))
def test_streamed_blocks_train_as_resident_ones(n_resident):
    expected, streamed = make_model(), make_model(n_resident=n_resident)
    for model in (expected, streamed):
        give_effect(model.adapter)
    for seed in range(3):
        given = make_sample(seed)
        ours, theirs = (gradients_of(model, given) for model in (streamed, expected))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
        with torch.no_grad():  # a look in between disturbs nothing
            torch.testing.assert_close(streamed(given), expected(given), rtol=0, atol=0)


def test_only_what_enters_a_block_is_kept_for_the_way_back():
    kept = {True: 0, False: 0}
    given = make_sample()
    model, plain = make_model(), make_model()
    plain.transformer._blocks = list(plain.transformer._blocks._blocks)  # without running twice
    for is_ours, chosen in ((True, model), (False, plain)):

        def count(tensor, is_ours=is_ours):
            kept[is_ours] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            chosen(given)
    assert kept[True] < kept[False] / 5


class _SelfAttentions(TorchDispatchMode):
    """Counts the attentions of tokens to as many tokens."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.name()
        if "scaled_dot_product" in name and "backward" not in name:
            self.count += args[0].shape[-2] == args[1].shape[-2]
        return function(*args, **(kwargs or {}))


def test_self_attention_does_not_run_twice():
    model = make_model()
    with _SelfAttentions() as attentions:
        model(make_sample()).backward()
    assert attentions.count == tiny.LAYERS


def test_as_many_blocks_stay_as_fit():
    def resident(vram_gib, tokens=TOKENS):
        return resident_blocks(vram_gib, N_BLOCKS, BLOCK_BYTES, tokens, WIDTH)

    assert resident(79) == N_BLOCKS
    assert 15 < resident(48) < 35
    assert resident(48, TOKENS // 2) > resident(48)
    assert resident(16) == 0
    used = (resident(48) + 2) * BLOCK_BYTES + TOKENS * WIDTH * 6 * N_BLOCKS
    assert used < 40 * GIB  # a block at work, the adapter and CUDA need the rest


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("n_resident", [0, 3])
@pytest.mark.parametrize("grid", [(1, 8, 8), (9, 64, 64)])
def test_copies_that_overlap_with_a_step_never_change_it(n_resident, grid):
    """Blocks that compute for less and for longer than they are copied."""
    device = torch.device("cuda")
    config = {**tiny.TRANSFORMER, "dim": 2048, "ffn_dim": 8192, "num_heads": 16, "num_layers": 8}
    models = []
    for count in (8, n_resident):
        torch.manual_seed(0)
        base = WanTransformer(Sizes(**config))
        base = base.to(torch.bfloat16).eval().requires_grad_(False)
        models.append(make_model(base=base, n_resident=count, device=device))
        give_effect(models[-1].adapter.cpu())
        models[-1].to(device)
    for seed in range(4):
        expected, ours = (gradients_of(model, make_sample(seed, grid=grid)) for model in models)
        for one, other in zip(ours, expected, strict=True):
            assert (one - other).norm() <= 0.02 * other.norm()  # attention sums in any order
