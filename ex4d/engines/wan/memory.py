"""What of the models stays on the GPU, for each size of its memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ex4d.errors import UsageError

if TYPE_CHECKING:
    from ex4d.engines.wan.streaming import Storage

__all__ = [
    "EVERYTHING_STAYS",
    "PROFILES_GIB",
    "MemoryPlan",
    "needed_gib",
    "plan_memory",
    "profile_for",
    "what_would_fit",
]

PROFILES_GIB = (80, 48, 24, 16)
_GIB = 1 << 30

# For each token of the transformer and each unit of its width, while a block runs with guidance.
# Measured: 46, of which 5 are the keys of texts and first frame.
_BYTES_PER_TOKEN = 48
_VAE_BYTES_PER_PIXEL = 12 << 10  # of a frame; measured 2.5 GiB at 512x512
_TRAINED_PX = 512 * 512
_TILE_PX = 256
_CROSS_GIB = 1.0  # keys and values of texts and first frame; the bound in cross_keys.py
_CONTEXT_GIB = 0.8  # of CUDA itself, and of memory between allocations
_WINDOW_LATENTS = 13  # longer clips go through the transformer in windows
_USUAL_TOKENS = _WINDOW_LATENTS * 32 * 32  # 49 frames of 512x512
_WAN_WIDTH = 5120


@dataclass(frozen=True)
class MemoryPlan:
    """Where the weights lie while the engine works."""

    n_resident: int  # blocks of the transformer that stay on the GPU; the others are streamed
    storage: Storage = "full"
    tile_px: int | None = None  # the VAE works on tiles of this side; none: on whole frames
    keeps_encoders: bool = False  # text, image and video models stay on the GPU too

    @property
    def encoded_px(self) -> int:
        """Pixels of a frame of all videos that are encoded together: 2 GiB for 512x512."""
        return 3 * _TRAINED_PX if self.keeps_encoders else _TRAINED_PX

    def describe(self, n_blocks: int) -> str:
        """Say it in a few words for the console."""
        n_resident = min(self.n_resident, n_blocks)
        words = ["all blocks on the GPU"]
        if n_resident < n_blocks:
            words = [f"{n_resident} of {n_blocks} blocks on the GPU, the others streamed"]
        words += ["weights in fp8"] if self.storage == "fp8" else []
        words += ["VAE in tiles"] if self.tile_px else []
        return ", ".join(words)


EVERYTHING_STAYS = MemoryPlan(n_resident=10_000, keeps_encoders=True)


def profile_for(free_bytes: int) -> int:
    """Choose the largest profile that fits into the free memory; the smallest if none does.

    A card has a little less than its name says, and something else always runs on it: a tenth
    may be missing.
    """
    free_gib = free_bytes / _GIB
    return next((gib for gib in PROFILES_GIB if free_gib >= 0.9 * gib), PROFILES_GIB[-1])


def plan_memory(
    profile_gib: int, n_blocks: int, block_bytes: int, width: int, more_bytes: int = 0
) -> MemoryPlan:
    """Plan for a profile and a transformer of so many blocks, bytes a block, and width, and for
    `more_bytes` of other weights on the GPU.

    Raises UsageError for a profile that does not exist.
    """
    if profile_gib not in PROFILES_GIB:
        known = ", ".join(str(gib) for gib in PROFILES_GIB)
        raise UsageError(f"there is no memory profile {profile_gib}: choose from {known}")
    if profile_gib >= 48:
        return MemoryPlan(n_blocks, keeps_encoders=profile_gib >= 80)
    is_small = profile_gib < 24
    stored = block_bytes // 2 if is_small else block_bytes
    arriving = 2 * stored + (block_bytes if is_small else 0)
    working = (needed_gib(_USUAL_TOKENS, width) + _CROSS_GIB) * _GIB + arriving
    if not is_small:  # whole frames through the VAE, while no block runs
        working = max(working, _VAE_BYTES_PER_PIXEL * _TRAINED_PX + 2 * stored)
    free = (profile_gib - _CONTEXT_GIB - 1.0) * _GIB - working - more_bytes
    # 1 GiB above is for the other models
    n_resident = max(0, min(n_blocks - 1, int(free // stored)))
    if is_small:
        return MemoryPlan(n_resident, storage="fp8", tile_px=_TILE_PX)
    return MemoryPlan(n_resident)


def needed_gib(n_tokens: int, width: int) -> float:
    """How much the transformer needs besides its weights for so many tokens."""
    return n_tokens * width * _BYTES_PER_TOKEN / _GIB


def what_would_fit(available_bytes: int, n_frames: int, size: tuple[int, int]) -> str:
    """Suggest fewer frames or a smaller size for the memory that the transformer may work with."""
    per_latent = (size[0] / 16) * (size[1] / 16)
    n_tokens = per_latent * min(_WINDOW_LATENTS, 1 + (n_frames - 1) / 4)
    fitting = available_bytes / (_WAN_WIDTH * _BYTES_PER_TOKEN)
    share = min(0.8, max(fitting / n_tokens, 0.05)) if available_bytes > 0 else 0.5
    width, height = (max(16, int(side * share**0.5 / 16) * 16) for side in size)
    fewer = max(1, int(n_tokens * share / per_latent - 1) * 4 + 1)
    return f"{fewer} frames, or {width}x{height} pixels, would fit"
