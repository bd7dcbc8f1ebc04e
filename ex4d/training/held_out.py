"""Which clips are kept from training, to look at and to measure."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["split_clips"]


class _Clip(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def source(self) -> str: ...


_AnyClip = TypeVar("_AnyClip", bound=_Clip)


def split_clips(
    clips: Sequence[_AnyClip], n_held_out: int
) -> tuple[list[_AnyClip], list[_AnyClip]]:
    """Return the clips to train on and those to hold out, at least `n_held_out`: all clips of a
    video together, chosen by the videos' names alone, so that a cache has the same ones as its
    dataset, and a dataset that grows keeps most of them."""
    by_source: dict[str, list[_AnyClip]] = {}
    for clip in clips:
        by_source.setdefault(clip.source, []).append(clip)
    held_out: list[_AnyClip] = []
    for source in sorted(by_source, key=_digest):
        if len(held_out) >= n_held_out:
            break
        held_out += by_source[source]
    names = {clip.name for clip in held_out}
    return [clip for clip in clips if clip.name not in names], held_out


def _digest(source: str) -> bytes:
    return hashlib.sha256(source.encode("utf-8", "surrogateescape")).digest()
