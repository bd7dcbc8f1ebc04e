"""Which channels of an OpenEXR file are its picture: one rule, for what each program writes.

Of the layers that have R, G and B, words as in `ex4d.pictures.exr_channels`, the first of these
that is there is taken:

1. R, G, B in no layer;
2. of a layer called combined, beauty, rgba, rgb, color or colour: `ViewLayer.Combined.R`;
3. of any other layer or part;
4. else Y in no layer, or the only channel, as a grey picture.

Of several views the first is taken, of a part and its proxy the part; anything else that is there
twice is refused. Within a name that is asked for the rule is the same.
"""

from __future__ import annotations

from typing import Any

from ex4d.files.names import names_in_words
from ex4d.pictures.exr_channels import (
    ALPHA,
    COLOURS,
    Channel,
    Choice,
    ChosenChannels,
    channels_called,
    channels_of,
    grouped,
    only_choice,
    said_where,
)

__all__ = ["colour_channels"]

_BEAUTY = {"combined", "beauty", "rgba", "rgb", "color", "colour"}


def colour_channels(headers: list[dict[str, Any]], layer: str | None = None) -> ChosenChannels:
    """Choose the picture by the headers of a file's parts: red, green and blue, or grey alone.

    Raises LayerError.
    """
    channels = channels_of(headers)
    found = channels if layer is None else channels_called(channels, layer)
    words = "the picture" if layer is None else f"called {layer!r}"
    chosen = only_choice(_chosen(found), [] if layer is None else found, channels, words)
    names = tuple(channel.name for channel in chosen)
    said = f"colour from {names_in_words([_layer_of(names)])}"
    said += said_where(chosen[0], channels, len(headers))
    kinds = {(c.part, *c.layers) for c in channels}
    return ChosenChannels(chosen[0].part, names, chosen[0].is_proxy, said, len(kinds) > 1)


def _chosen(channels: list[Channel]) -> list[Choice]:
    """The channels of the best rank; several are for the views, or too many."""
    groups = [group for group in grouped(channels) if set(COLOURS) <= set(group)]
    ranked: dict[int, list[Choice]] = {}
    for group in groups:
        choice = tuple(group[letter] for letter in COLOURS)
        ranked.setdefault(_rank(choice[0]), []).append(choice)
    if ranked:
        return ranked[min(ranked)]
    grey = [channel for channel in channels if channel.letter == "y" and not channel.own[:-1]]
    vectors = any({"x", "y"} <= set(group) for group in grouped(channels))
    if grey and not vectors:
        return [(channel,) for channel in grey]
    left = [channel for channel in channels if channel.letter not in ALPHA] or channels
    return [(left[0],)] if len(left) == 1 else []


def _rank(channel: Channel) -> int:
    if not channel.own[:-1] and channel.part == 0:
        return 0
    return 1 if not channel.layers or channel.layers[-1] in _BEAUTY else 2


def _layer_of(names: tuple[str, ...]) -> str:
    """`ViewLayer.Combined`, or `R, G, B` in no layer."""
    layers = {name.rpartition(".")[0] for name in names}
    return (
        layers.pop()
        if len(names) == 3 and len(layers) == 1 and "" not in layers
        else "".join(name.rpartition(".")[2] for name in names)
    )
