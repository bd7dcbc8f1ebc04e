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

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ex4d.names import names_in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["DepthChannels", "LayerError", "depth_channels", "window_size"]

_DEPTH, _DISTANCE = ("depth", "zdepth", "depthz", "vrayzdepth"), ("distance",)
_ALPHA = {"a", "alpha"}
_COLOURS = ("r", "g", "b")
_NO_DEPTH = {"n", "p", "uv", "st", "fog", "pref", "world", "alpha"}
_NO_DEPTH_IN = ("mist", "normal", "position", "vector", "motion", "velocity", "tangent")
_VIEWS = ("left", "right")  # where the file names none
_SAME_ASPECT = 0.02


class LayerError(ValueError):
    """No channel is the depth, or several are; the text says which there are."""


@dataclass(frozen=True)
class DepthChannels:
    """Where a file's depth is."""

    part: int
    names: tuple[str, ...]  # the channel; or three that must be equal
    is_proxy: bool  # its data window is the whole picture at fewer pixels
    said: str  # for people
    of_several: bool  # whether the file has other channels


@dataclass(frozen=True)
class _Channel:
    part: int
    part_name: str
    name: str
    view: str
    is_proxy: bool

    @property
    def own(self) -> tuple[str, ...]:
        """The words of its name, without its view."""
        return tuple(
            w for w in map(_plain, self.name.split(".")) if w != _plain(self.view) or not w
        )

    @property
    def letter(self) -> str:
        return _plain(self.name.rpartition(".")[2])

    @property
    def layers(self) -> tuple[str, ...]:
        """The words before the last, with those of its part."""
        part = (w for w in map(_plain, self.part_name.split(".")) if w and w != _plain(self.view))
        return (*part, *self.own[:-1])

    @property
    def no_view(self) -> str:
        words = self.name.split(".")
        return ".".join(w for w in words if not self.view or w != self.view)

    @property
    def is_denied(self) -> bool:
        last = self.layers[-1] if self.layers else ""
        return last in _NO_DEPTH or any(word in last for word in _NO_DEPTH_IN)


_Group = dict[str, _Channel]  # the channels of one layer by their letters
_Choice = tuple[_Channel, ...]


def depth_channels(headers: list[dict[str, Any]], layer: str | None = None) -> DepthChannels:
    """Choose the depth by the headers of a file's parts. Raises LayerError."""
    channels = _channels(headers)
    found = channels if layer is None else _called(channels, layer)
    words = "called depth" if layer is None else f"called {layer!r}"
    chosen = _chosen(found, by_name=layer is not None)
    if not chosen:
        raise LayerError(_refusal([] if layer is None else found, channels, words))
    return _only(chosen, channels, len(headers), words)


def window_size(window: Any) -> tuple[int, int]:
    """The size (W, H) of a window as a header has it."""
    (left, top), (right, bottom) = window
    return int(right) - int(left) + 1, int(bottom) - int(top) + 1


def _channels(headers: list[dict[str, Any]]) -> list[_Channel]:
    found = []
    for number, header in enumerate(headers):
        name = str(header.get("name", ""))
        views = list(map(str, header.get("multiView", ())))
        is_proxy = _is_proxy(header, headers)
        for channel in header["channels"]:
            own = str(header.get("view", "")) or _view_of(channel.name, name, views)
            found.append(_Channel(number, name, channel.name, own, is_proxy))
    return found


def _view_of(channel: str, part: str, views: list[str]) -> str:
    """The view that a channel's name or its part's tells; the first where the file has some."""
    words = channel.split(".")[:-1]
    for view in views or [w for w in [*words, *part.split(".")] if w.lower() in _VIEWS]:
        if view in words or view in part.split("."):
            return view
    return views[0] if views else ""


def _is_proxy(header: dict[str, Any], headers: list[dict[str, Any]]) -> bool:
    """Whether a part is the whole picture again at fewer pixels: all parts share the display
    window, so its data window lies in the corner."""
    data, display = header["dataWindow"], header["displayWindow"]
    (width, height), (whole_width, whole_height) = window_size(data), window_size(display)
    if tuple(data[0]) != tuple(display[0]) or not (
        0 < width < whole_width and 0 < height < whole_height
    ):
        return False
    if not any(
        (other["dataWindow"][0] <= display[0]).all()
        and (other["dataWindow"][1] >= display[1]).all()
        for other in headers
    ):
        return False
    times = round(whole_width / width)
    is_share = times > 1 and all(
        abs(whole - times * part) < times
        for whole, part in ((whole_width, width), (whole_height, height))
    )
    aspect = whole_width * height / (whole_height * width)
    is_called = "proxy" in str(header.get("name", "")).lower()
    return is_share or (is_called and abs(aspect - 1) <= _SAME_ASPECT)


def _called(channels: list[_Channel], layer: str) -> list[_Channel]:
    """The channels that a name means: a channel, else a layer or part, a view, a word of them."""
    wanted = layer.lower()

    def with_part(channel: _Channel, name: str) -> set[str]:
        return {name.lower(), f"{channel.part_name}.{name}".strip(".").lower()}

    def is_channel(c: _Channel) -> bool:
        return wanted in with_part(c, c.name) | with_part(c, c.no_view)

    def is_layer(c: _Channel) -> bool:
        return wanted in with_part(c, c.name.rpartition(".")[0]) | with_part(
            c, c.no_view.rpartition(".")[0]
        )

    def is_word(c: _Channel) -> bool:
        return wanted in [*c.name.lower().split("."), *c.part_name.lower().split(".")]

    meanings: tuple[Callable[[_Channel], bool], ...] = (
        is_channel,
        is_layer,
        lambda c: wanted == c.view.lower(),
        is_word,
    )
    found = ([c for c in channels if means(c)] for means in meanings)
    return next(filter(None, found), [])


def _groups(channels: Iterable[_Channel]) -> list[_Group]:
    groups: dict[tuple[int, str, tuple[str, ...]], _Group] = {}
    for channel in channels:
        key = channel.part, channel.view, channel.layers
        groups.setdefault(key, {})[channel.letter] = channel
    return list(groups.values())


def _chosen(channels: list[_Channel], *, by_name: bool) -> list[_Choice]:
    """The channels of the best rank; several are for the views, or too many."""
    if by_name and len({(c.layers, c.letter) for c in channels}) == 1:
        return [(channel,) for channel in channels]
    for pool in ([c for c in channels if not c.is_proxy], channels):
        groups = [group for group in _groups(pool) if not _first(group).is_denied]
        for words, is_bare in (
            (_DEPTH, False),
            (("z",), True),
            (("z",), False),
            (_DISTANCE, False),
        ):
            found = [choice for group in groups for choice in _named(group, words, is_bare)]
            if found:
                return found
    return _lonely(channels) or (_of_layers(_groups(channels)) if by_name else [])


def _named(group: _Group, words: tuple[str, ...], is_bare: bool) -> list[_Choice]:
    """What a layer has that is called by one of the words; `is_bare`: without a layer around it."""
    first = _first(group)
    if set(words) & set(first.layers):
        return _of_layers([group])
    letters = [letter for letter in words if letter in group]
    if not letters or {"x", "y", "z"} <= set(group) or (is_bare and len(first.own) > 1):
        return []
    return [(group[letter],) for letter in letters]


def _of_layers(groups: list[_Group]) -> list[_Choice]:
    """The scalar of each layer; each of its channels where there is none."""
    found: list[_Choice] = []
    for group in groups:
        letters = set(group) - _ALPHA or set(group)
        if {"x", "y"} & letters and len(letters) > 1:
            continue
        if "z" in letters:
            found.append((group["z"],))
        elif letters == set(_COLOURS):
            found.append(tuple(group[letter] for letter in _COLOURS))
        else:
            found += [(group[letter],) for letter in letters]
    return found


def _lonely(channels: list[_Channel]) -> list[_Choice]:
    """The only channel, or three colours, where the file has nothing else; once for each view."""
    groups = _groups(channels)
    kinds = {tuple(sorted(set(group) - _ALPHA)) for group in groups}
    paths = {tuple(c.own[:-1]) for c in channels}
    is_denied = any(c.is_denied for c in channels)
    if len(kinds) != 1 or len(paths) != 1 or is_denied or len(next(iter(kinds))) not in (1, 3):
        return []
    (kind,) = kinds
    if len(kind) == 3 and set(kind) != set(_COLOURS):
        return []
    return _of_layers(groups)


def _only(
    choices: list[_Choice], channels: list[_Channel], n_parts: int, words: str
) -> DepthChannels:
    """The one choice, of the first view and no proxy where there is another. Raises LayerError."""
    views = list(dict.fromkeys(c.view for c in channels if c.view))
    order = {view: number for number, view in enumerate(["", *views])}
    whole = [choice for choice in choices if not choice[0].is_proxy] or choices
    first_view = min((choice[0].view for choice in whole), key=order.__getitem__)
    left = [choice for choice in whole if choice[0].view == first_view]
    if len(left) != 1:
        raise LayerError(_refusal([c for choice in left for c in choice], channels, words))
    (chosen,) = left
    names, first = tuple(c.name for c in chosen), chosen[0]
    said = f"depth from {' = '.join(names_in_words([name]) for name in names)}"
    said += f" of part {first.part + 1} of {n_parts}" if n_parts > 1 else ""
    if len(views) > 1 and first.view:
        others = [view for view in views if view != first.view]
        said += f", view {names_in_words([first.view])}, not {names_in_words(others)}"
    said += ", a proxy" if first.is_proxy else ""
    return DepthChannels(first.part, names, first.is_proxy, said, len(channels) > len(names))


def _refusal(found: list[_Channel], channels: list[_Channel], words: str) -> str:
    names = [c.name for c in channels]
    several = {name for name in names if names.count(name) > 1}

    def told(those: list[_Channel]) -> str:
        return names_in_words(
            f"{c.part_name}.{c.name}" if c.name in several else c.name for c in those
        )

    some = "no channel is" if not found else f"{told(found)} all are"
    return f"{some} {words}; name one of {told(channels)} as the layer"


def _first(group: _Group) -> _Channel:
    return next(iter(group.values()))


def _plain(word: str) -> str:
    """A word without case, blanks and dashes: Z-Depth is zdepth."""
    return re.sub(r"[\W_]", "", word.casefold())
