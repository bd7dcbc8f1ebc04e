"""Our modules against the public code's, and what a forward saves."""

from __future__ import annotations

import pytest
import torch

from ex4d.engines.wan.block import Block, Change, Linear, Stream
from ex4d.engines.wan.cross_keys import Context, CrossKeys, KeysAndValues, Text
from ex4d.engines.wan.diffsynth import import_diffsynth
from ex4d.engines.wan.load import place_transformer
from ex4d.engines.wan.memory import EVERYTHING_STAYS
from ex4d.engines.wan.model import Sizes, WanTransformer, time_table
from ex4d.engines.wan.rotation import rotation_of

from . import tiny
from .test_transformer import conditioning_of, inputs

CPU = torch.device("cpu")


def make():
    model = tiny.make_transformer().eval().requires_grad_(False)
    return model, place_transformer(model, CPU, EVERYTHING_STAYS)


def calls_of(layers):
    """How often each of the layers runs from now on."""
    counts = [0] * len(layers)

    def count(number):
        def add(*_):
            counts[number] += 1

        return add

    for number, layer in enumerate(layers):
        layer.register_forward_hook(count(number))
    return counts


def test_at_full_size_its_weights_are_the_public_codes():
    with torch.device("meta"):
        ours = WanTransformer(Sizes())
        config = {"text_dim": 4096, "freq_dim": 256, "eps": 1e-6, "patch_size": (1, 2, 2)}
        public = import_diffsynth("models.wan_video_dit").WanModel(
            dim=5120, in_dim=36, ffn_dim=13824, out_dim=16, num_heads=40, num_layers=40,
            has_image_input=True, **config,
        )  # fmt: skip
    shapes = [{n: t.shape for n, t in model.state_dict().items()} for model in (ours, public)]
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) == 1303


@pytest.mark.parametrize("head", [24, 96, 128])
def test_rotation_is_the_public_codes(head):
    grid = (3, 4, 5)
    freqs = import_diffsynth("models.wan_video_dit").precompute_freqs_cis_3d(head)
    parts = [
        part[:length].view([-1 if axis == number else 1 for axis in range(3)] + [part.shape[1]])
        for number, (length, part) in enumerate(zip(grid, freqs, strict=True))
    ]
    public = torch.cat([part.expand(*grid, -1) for part in parts], dim=-1).flatten(0, 2)
    ours = rotation_of(grid, head, CPU)
    torch.testing.assert_close(torch.complex(*ours).to(public.dtype), public, rtol=0, atol=1e-7)


def test_the_table_of_times_is_the_public_codes():
    public = import_diffsynth("models.wan_video_dit").sinusoidal_embedding_1d
    for timestep in (torch.tensor([0.0]), torch.tensor([937.5]), torch.tensor([1000.0])):
        torch.testing.assert_close(time_table(256, timestep), public(256, timestep))


def test_tokens_lie_one_after_the_other_in_memory():
    _, transformer = make()
    given = inputs()
    tokens = transformer._tokens(given["latents"], conditioning_of(transformer, given))
    assert tokens.is_contiguous()
    assert tokens.dtype == torch.float32


def test_the_first_block_looks_at_itself_once_for_both_branches():
    model, transformer = make()
    given = inputs()
    texts = [transformer.embed_text(given["context"][:n]) for n in (4, 9)]
    counts = calls_of([block.self_attn for block in model.blocks])
    time, conditioning = transformer.embed_time(torch.ones(1)), conditioning_of(transformer, given)
    both = transformer.velocities(given["latents"], time, texts, conditioning)
    assert counts == [1, 2, 2]
    for text, branch in zip(texts, both, strict=True):
        alone = transformer.velocities(given["latents"], time, [text], conditioning)[0]
        torch.testing.assert_close(branch, alone, rtol=0, atol=0)


def test_keys_of_texts_and_first_frame_are_computed_once_a_job():
    model, transformer = make()
    given, kept = inputs(), CrossKeys()
    texts = [transformer.embed_text(given["context"][:n]) for n in (4, 9)]
    conditioning = conditioning_of(transformer, given)
    layers = [part for b in model.blocks for part in (b.cross_attn.k, b.cross_attn.v_img)]
    counts = calls_of(layers)
    plain = [
        transformer.velocities(given["latents"], transformer.embed_time(t), texts, conditioning)
        for t in (torch.tensor([900.0]), torch.tensor([500.0]))
    ]
    assert counts == [4] * 6
    counts[:] = [0] * 6
    ours = [
        transformer.velocities(
            given["latents"], transformer.embed_time(t), texts, conditioning, kept
        )
        for t in (torch.tensor([900.0]), torch.tensor([500.0]))
    ]
    assert counts == [2, 1] * 3
    torch.testing.assert_close(ours, plain, rtol=0, atol=0)


def test_what_does_not_fit_is_computed_again_and_stays_right():
    kept, sources = CrossKeys(most_bytes=2 * 4 * 10 * 8), [torch.ones(10, 8) for _ in range(3)]
    made = []

    def get(number, block):
        def compute():
            made.append((number, block))
            return KeysAndValues(sources[number] * number, sources[number] * block)

        return kept.of_block(block)(sources[number], compute)

    for _ in range(2):
        for number, block in ((0, 0), (1, 0), (0, 1)):
            found = get(number, block)
            assert (found.keys[0, 0], found.values[0, 0]) == (number, block)
    assert made == [(0, 0), (1, 0), (0, 1), (1, 0), (0, 1)]


@pytest.mark.parametrize("n_tokens", [0, 1, 9, 511, 512])
def test_a_prompt_and_its_zeros_count_512_tokens(n_tokens):
    _, transformer = make()
    text = transformer.embed_text(torch.randn(n_tokens, tiny.TEXT_DIM))
    assert len(text.tokens) == min(n_tokens + 1, 512)
    assert len(text.tokens) - 1 + text.last_counts == 512


def test_a_sum_that_is_left_to_the_next_block_is_the_same_when_it_is_done_before():
    block = tiny.make_transformer().blocks[1].requires_grad_(False)
    grid, width = (1, 2, 3), tiny.DIM
    torch.manual_seed(1)
    stream = Stream(torch.randn(6, width), torch.randn(6, width), torch.randn(width))
    context = Context(Text(torch.randn(3, width), 509), torch.randn(257, width))
    arguments = ([context], torch.randn(1, 6, width), rotation_of(grid, 128, CPU))
    left, done = (block([s], *arguments)[0].settled() for s in (stream, stream.settled()))
    torch.testing.assert_close(left, done)
    assert done.settled() is done


def test_a_change_beside_a_weight_is_the_change_of_the_weight():
    torch.manual_seed(0)
    layer, given = Linear(12, 20), torch.randn(5, 12)
    down, up = torch.randn(3, 12), torch.randn(20, 3)
    expected = torch.nn.functional.linear(given, layer.weight + 0.5 * up @ down, layer.bias)
    layer.change = Change(down, up, 0.5)
    torch.testing.assert_close(layer(given), expected)
    assert set(layer.state_dict()) == {"weight", "bias"}


@pytest.mark.parametrize("needs_input", [True, False])
def test_gradients_of_a_change_are_those_of_the_changed_weight(needs_input):
    torch.manual_seed(0)
    layer = Linear(12, 20).requires_grad_(False)
    given = torch.randn(5, 12, requires_grad=needs_input)
    down, up = torch.randn(3, 12, requires_grad=True), torch.randn(20, 3, requires_grad=True)
    wanted = (down, up, given) if needs_input else (down, up)
    changed = torch.nn.functional.linear(given, layer.weight + 0.5 * up @ down, layer.bias)
    expected = torch.autograd.grad(changed.sin().sum(), wanted)
    layer.change = Change(down, up, 0.5)
    torch.testing.assert_close(torch.autograd.grad(layer(given).sin().sum(), wanted), expected)


def test_blocks_have_no_weights_but_the_published_ones():
    names = {name for name, _ in Block(12, 24, 4).named_parameters()}
    public = import_diffsynth("models.wan_video_dit").DiTBlock(True, 12, 3, 24)
    assert names == {name for name, _ in public.named_parameters()}
