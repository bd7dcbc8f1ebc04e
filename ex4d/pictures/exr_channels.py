"""The channels of an OpenEXR file by the words of their names: layer, part and view of each.

A channel is called by the words of its part's name and of its own: `Z` of the part `depth.left` is
depth, Z. A name that is asked for is that of a channel, a layer, a part or a view, in any case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ex4d.files.names import names_in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "ALPHA",
    "COLOURS",
    "Channel",
    "Choice",
    "ChosenChannels",
    "Group",
    "LayerError",
    "channels_called",
    "channels_of",
    "first_of",
    "grouped",
    "only_choice",
    "said_where",
    "window_size",
]

ALPHA = {"a", "alpha"}
COLOURS = ("r", "g", "b")
_VIEWS = ("left", "right")  # where the file names none
_SAME_ASPECT = 0.02


class LayerError(ValueError):
    """No channel is what is looked for, or several are; the text says which there are."""


@dataclass(frozen=True)
class ChosenChannels:
    """Where in a file what is looked for is."""

    part: int
    names: tuple[str, ...]
    is_proxy: bool  # its data window is the whole picture at fewer pixels
    said: str  # for people
    of_several: bool  # whether the file has something else beside it


@dataclass(frozen=True)
class Channel:
    """One channel, and where it is."""

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
        """The last word of its name."""
        return _plain(self.name.rpartition(".")[2])

    @property
    def layers(self) -> tuple[str, ...]:
        """The words before the last, with those of its part."""
        part = (w for w in map(_plain, self.part_name.split(".")) if w and w != _plain(self.view))
        return (*part, *self.own[:-1])

    @property
    def no_view(self) -> str:
        """Its name without its view."""
        words = self.name.split(".")
        return ".".join(w for w in words if not self.view or w != self.view)


Group = dict[str, Channel]  # the channels of one layer by their letters
Choice = tuple[Channel, ...]  # what is one picture together


def window_size(window: Any) -> tuple[int, int]:
    """The size (W, H) of a window as a header has it."""
    (left, top), (right, bottom) = window
    return int(right) - int(left) + 1, int(bottom) - int(top) + 1


def channels_of(headers: list[dict[str, Any]]) -> list[Channel]:
    """All channels of a file by the headers of its parts."""
    found = []
    for number, header in enumerate(headers):
        name = str(header.get("name", ""))
        views = list(map(str, header.get("multiView", ())))
        is_proxy = _is_proxy(header, headers)
        for channel in header["channels"]:
            own = str(header.get("view", "")) or _view_of(channel.name, name, views)
            found.append(Channel(number, name, channel.name, own, is_proxy))
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


def channels_called(channels: list[Channel], layer: str) -> list[Channel]:
    """The channels that a name means: a channel, else a layer or part, a view, a word of them."""
    wanted = layer.lower()

    def with_part(channel: Channel, name: str) -> set[str]:
        return {name.lower(), f"{channel.part_name}.{name}".strip(".").lower()}

    def is_channel(c: Channel) -> bool:
        return wanted in with_part(c, c.name) | with_part(c, c.no_view)

    def is_layer(c: Channel) -> bool:
        return wanted in with_part(c, c.name.rpartition(".")[0]) | with_part(
            c, c.no_view.rpartition(".")[0]
        )

    def is_word(c: Channel) -> bool:
        return wanted in [*c.name.lower().split("."), *c.part_name.lower().split(".")]

    meanings: tuple[Callable[[Channel], bool], ...] = (
        is_channel,
        is_layer,
        lambda c: wanted == c.view.lower(),
        is_word,
    )
    found = ([c for c in channels if means(c)] for means in meanings)
    return next(filter(None, found), [])


def grouped(channels: Iterable[Channel]) -> list[Group]:
    """The channels of each layer, of each part and view."""
    groups: dict[tuple[int, str, tuple[str, ...]], Group] = {}
    for channel in channels:
        key = channel.part, channel.view, channel.layers
        groups.setdefault(key, {})[channel.letter] = channel
    return list(groups.values())


def first_of(group: Group) -> Channel:
    """Any channel of a layer."""
    return next(iter(group.values()))


def only_choice(
    choices: list[Choice], found: list[Channel], channels: list[Channel], words: str
) -> Choice:
    """The one choice, of the first view and no proxy where there is another.

    Raises LayerError, which lists those that it could be, or `found` when there is none.
    """
    if not choices:
        raise LayerError(_refusal(found, channels, words))
    left = _of_first_view(choices, channels)
    if len(left) != 1:
        raise LayerError(_refusal([c for choice in left for c in choice], channels, words))
    return left[0]


def _of_first_view(choices: list[Choice], channels: list[Channel]) -> list[Choice]:
    """Those of the first view that are no proxy, where there are others."""
    views = list(dict.fromkeys(c.view for c in channels if c.view))
    order = {view: number for number, view in enumerate(["", *views])}
    whole = [choice for choice in choices if not choice[0].is_proxy] or choices
    first_view = min((choice[0].view for choice in whole), key=order.__getitem__)
    return [choice for choice in whole if choice[0].view == first_view]


def said_where(first: Channel, channels: list[Channel], n_parts: int) -> str:
    """Of which part and view a channel is, and which others there are; empty for the only one."""
    views = list(dict.fromkeys(c.view for c in channels if c.view))
    said = f" of part {first.part + 1} of {n_parts}" if n_parts > 1 else ""
    if len(views) > 1 and first.view:
        others = [view for view in views if view != first.view]
        said += f", view {names_in_words([first.view])}, not {names_in_words(others)}"
    return said + (", a proxy" if first.is_proxy else "")


def _refusal(found: list[Channel], channels: list[Channel], words: str) -> str:
    """The sentence for channels that are too many, or none, to be what `words` say."""
    names = [c.name for c in channels]
    several = {name for name in names if names.count(name) > 1}

    def told(those: list[Channel]) -> str:
        return names_in_words(
            f"{c.part_name}.{c.name}" if c.name in several else c.name for c in those
        )

    some = "no channel is" if not found else f"{told(found)} all are"
    return f"{some} {words}; name one of {told(channels)} as the layer"


def _plain(word: str) -> str:
    """A word without case, blanks and dashes: Z-Depth is zdepth."""
    return re.sub(r"[\W_]", "", word.casefold())
