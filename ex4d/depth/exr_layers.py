"""Which channel of an OpenEXR file is the depth: one rule, for what each program writes.

A channel is called by the words of its part's name and of its own: `Z` of the part `depth.left` is
depth, Z. The first of these that is there is taken:

1. a channel or layer called depth, zdepth, depthz or vrayzdepth: `ViewLayer.Depth.Z`, `depth.Z`,
   the part `depth`;
2. `Z` in no layer, or a layer called Z;
3. `Z` in a layer of another name;
4. a channel or layer called distance;
5. the only channel;
6. R = G = B, when the file has no other channels but alpha.

Of a layer Z is taken, else its only channel, else R = G = B; alpha never. Z beside X and Y is part
of a vector, and Z of a mist, a normal, a position or a motion is none: they are taken only by name.
Of several views the first is taken, of a part and its proxy the part; anything else that is there
twice is refused. A name that is asked for is that of a channel, a layer, a part or a view, in any
case; within it the rule is the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ex4d.files.names import names_in_words
from ex4d.pictures.exr_channels import (
    ALPHA,
    COLOURS,
    ChosenChannels,
    channels_called,
    channels_of,
    first_of,
    grouped,
    only_choice,
    said_where,
)

if TYPE_CHECKING:
    from ex4d.pictures.exr_channels import Channel, Choice, Group

__all__ = ["depth_channels"]

_DEPTH, _DISTANCE = ("depth", "zdepth", "depthz", "vrayzdepth"), ("distance",)
_NO_DEPTH = {"n", "p", "uv", "st", "fog", "pref", "world", "alpha"}
_NO_DEPTH_IN = ("mist", "normal", "position", "vector", "motion", "velocity", "tangent")


def depth_channels(headers: list[dict[str, Any]], layer: str | None = None) -> ChosenChannels:
    """Choose the depth by the headers of a file's parts: a channel, or three that must be equal.

    Raises LayerError.
    """
    channels = channels_of(headers)
    found = channels if layer is None else channels_called(channels, layer)
    words = "called depth" if layer is None else f"called {layer!r}"
    chosen = only_choice(
        _chosen(found, by_name=layer is not None), [] if layer is None else found, channels, words
    )
    names, first = tuple(c.name for c in chosen), chosen[0]
    said = f"depth from {' = '.join(names_in_words([name]) for name in names)}"
    said += said_where(first, channels, len(headers))
    return ChosenChannels(first.part, names, first.is_proxy, said, len(channels) > len(names))


def _chosen(channels: list[Channel], *, by_name: bool) -> list[Choice]:
    """The channels of the best rank; several are for the views, or too many."""
    if by_name and len({(c.layers, c.letter) for c in channels}) == 1:
        return [(channel,) for channel in channels]
    for pool in ([c for c in channels if not c.is_proxy], channels):
        groups = [group for group in grouped(pool) if not _is_denied(first_of(group))]
        for words, is_bare in (
            (_DEPTH, False),
            (("z",), True),
            (("z",), False),
            (_DISTANCE, False),
        ):
            found = [choice for group in groups for choice in _named(group, words, is_bare)]
            if found:
                return found
    return _lonely(channels) or (_of_layers(grouped(channels)) if by_name else [])


def _named(group: Group, words: tuple[str, ...], is_bare: bool) -> list[Choice]:
    """What a layer has that is called by one of the words; `is_bare`: without a layer around it."""
    first = first_of(group)
    if set(words) & set(first.layers):
        return _of_layers([group])
    letters = [letter for letter in words if letter in group]
    if not letters or {"x", "y", "z"} <= set(group) or (is_bare and len(first.own) > 1):
        return []
    return [(group[letter],) for letter in letters]


def _of_layers(groups: list[Group]) -> list[Choice]:
    """The scalar of each layer; each of its channels where there is none."""
    found: list[Choice] = []
    for group in groups:
        letters = set(group) - ALPHA or set(group)
        if {"x", "y"} & letters and len(letters) > 1:
            continue
        if "z" in letters:
            found.append((group["z"],))
        elif letters == set(COLOURS):
            found.append(tuple(group[letter] for letter in COLOURS))
        else:
            found += [(group[letter],) for letter in letters]
    return found


def _lonely(channels: list[Channel]) -> list[Choice]:
    """The only channel, or three colours, where the file has nothing else; once for each view."""
    groups = grouped(channels)
    kinds = {tuple(sorted(set(group) - ALPHA)) for group in groups}
    paths = {tuple(c.own[:-1]) for c in channels}
    is_denied = any(_is_denied(c) for c in channels)
    if len(kinds) != 1 or len(paths) != 1 or is_denied or len(next(iter(kinds))) not in (1, 3):
        return []
    (kind,) = kinds
    if len(kind) == 3 and set(kind) != set(COLOURS):
        return []
    return _of_layers(groups)


def _is_denied(channel: Channel) -> bool:
    last = channel.layers[-1] if channel.layers else ""
    return last in _NO_DEPTH or any(word in last for word in _NO_DEPTH_IN)
