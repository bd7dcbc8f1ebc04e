"""The blocks of the frozen transformer as a training step runs them.

Only what enters a block, and the result of its self attention, which is its slowest step, are kept
for the way back; there the rest of the block runs once more (gradient checkpointing). Its weights
stay on the GPU, or they come from the host's memory each time, or every GPU holds a share of them
and they are gathered when the block runs (FSDP).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    create_selective_checkpoint_contexts,
)

from ex4d.engines.wan.streaming import BlockStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ex4d.engines.wan.block import Stream

__all__ = ["TrainingBlocks", "resident_blocks"]

_GIB = 1 << 30

# Bytes for each token and unit of the transformer's width; estimated from what autograd keeps.
_KEPT = 6  # what enters a block, float32, and its self attention, bfloat16
_WORKING = 128  # a block on its way back
_OTHERS_GIB = 8.0  # CUDA itself, the adapter with its optimiser, 4.6 between allocations, reserve


def resident_blocks(
    vram_gib: float, n_blocks: int, block_bytes: int, n_tokens: int, width: int
) -> int:
    """How many blocks can stay on a GPU of that size while it trains on so many tokens."""
    busy = n_tokens * width * (_KEPT * n_blocks + _WORKING)
    free = (vram_gib - _OTHERS_GIB) * _GIB - busy
    if free >= n_blocks * block_bytes:
        return n_blocks
    return max(0, min(n_blocks - 1, int(free // block_bytes) - 2))  # two places for those that come


class TrainingBlocks:
    """The blocks of a WanTransformer, each ready to be called; the model's own lose their weights
    when these are streamed, or sharded over all processes."""

    def __init__(
        self, model: Any, device: torch.device, *, n_resident: int, shard: bool = False
    ) -> None:
        self._blocks = list(model.blocks)
        self._stream: BlockStream | None = None
        if shard:
            _shard(self._blocks, device)
        else:
            self._stream = BlockStream(self._blocks, device=device, n_resident=n_resident)
        self._order = () if self._stream is None else self._stream.from_host
        self._position, self._direction = 0, 1

    def __len__(self) -> int:
        return len(self._blocks)

    def __iter__(self) -> Iterator[Callable[..., list[Stream]]]:
        for number in range(len(self._blocks)):
            yield self._runner(number)

    def describe(self) -> str:
        """Say in a few words where the weights are."""
        if self._stream is None:
            return "frozen weights split over the GPUs"
        if not self._order:
            return "all blocks on the GPU"
        n_blocks = len(self._blocks)
        return f"{n_blocks - len(self._order)} of {n_blocks} blocks on the GPU, the others streamed"

    def _runner(self, number: int) -> Callable[..., list[Stream]]:
        block = self._blocks[number]

        def run(*inputs: Any) -> list[Stream]:
            if number not in self._order or self._stream is None:
                streams = block(*inputs)
            else:
                weights = self._stream.weights(number, self._following(number))
                # not bound to the block: autograd keeps these very tensors until the way back
                streams = torch.func.functional_call(block, weights, inputs)
            return [stream.settled() for stream in streams]  # one tensor to keep for each, not two

        def run_twice(*inputs: Any) -> list[Stream]:
            streams: list[Stream] = checkpoint(
                run,
                *inputs,
                use_reentrant=False,
                preserve_rng_state=False,
                context_fn=partial(create_selective_checkpoint_contexts, _what_is_kept),
            )
            return streams

        return run_twice

    def _following(self, number: int) -> int:
        """The block that will most likely be asked for next: a step goes up, and down again."""
        position, last = self._order.index(number), len(self._order) - 1
        if position in (0, last):
            self._direction = 1 if position == 0 else -1
        elif position != self._position:
            self._direction = 1 if position > self._position else -1
        self._position = position
        return self._order[min(max(position + self._direction, 0), last)]


def _what_is_kept(context: Any, operator: Any, *arguments: Any, **options: Any) -> CheckpointPolicy:
    """Keep attention of tokens to as many tokens, whichever kernel computes it."""
    if "scaled_dot_product" in operator.name() and "backward" not in operator.name():
        queries, keys = arguments[:2]
        if queries.shape[-2] == keys.shape[-2]:
            return CheckpointPolicy.MUST_SAVE
    return CheckpointPolicy.PREFER_RECOMPUTE


def _shard(blocks: list[Any], device: torch.device) -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    for block in blocks:
        block.to(device)
        fully_shard(block, mesh=mesh, reshard_after_forward=True)
