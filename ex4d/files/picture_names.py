"""Which pictures belong to a sequence, and in which order: by their names alone.

Standard library only: the Blender extension brings this very file.

The frame number of `shot_1001_v02.exr` is

1. where the pattern says: `shot_####_v02.exr`, `shot_%04d_v02.exr`, and of `shot_1001-1049.exr`,
   where no file is called so, just these frames;
2. else, of the numbers in the name, the one that changes from picture to picture. Of several that
   change, one behind a v (`_v02`) is the version; then it is the one with the most pictures, of
   equally many the one with the fewest gaps, then the last;
3. the last, where nothing changes.

`-5` is negative behind a dot, an underscore or nothing (`z.-0005.exr`), and where a pattern begins;
elsewhere the dash parts the name from its number (`z-0005.exr`). How many digits it has counts for
nothing, unless two pictures of a pattern would be one frame.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

__all__ = [
    "CLIP_SUFFIXES",
    "PICTURE_SUFFIXES",
    "PictureNamesError",
    "find_numbered",
    "find_pictures",
    "is_picture",
    "pattern_for",
    "pattern_of",
]

PICTURE_SUFFIXES = (".exr", ".png", ".tif", ".tiff")  # of depth
CLIP_SUFFIXES = (*PICTURE_SUFFIXES, ".jpg", ".jpeg", ".dpx")
_PATTERN = re.compile(r"#+|%0?[0-9]*d")
_RANGE = re.compile(r"(?<![0-9])([0-9]{1,9})-([0-9]{1,9})(?![0-9])")
_NUMBER = re.compile(r"(?:(?<![^._])-)?[0-9]+")
_VERSION = re.compile(r"(?<![A-Za-z])[vV]\Z")  # what stands before the number of a version


class PictureNamesError(ValueError):
    """Names that make no sequence; the text says which."""


@dataclass(frozen=True)
class _Name:
    """A picture's name, taken apart at its numbers."""

    path: Path
    numbers: tuple[int, ...]
    between: tuple[str, ...]  # one more: what stands before, between and behind them


def is_picture(name: str, suffixes: tuple[str, ...] = PICTURE_SUFFIXES) -> bool:
    """Whether a file is one picture of a sequence, by its suffix in any case."""
    return name.lower().endswith(suffixes)


def find_pictures(source: Path, suffixes: tuple[str, ...] = PICTURE_SUFFIXES) -> list[Path] | None:
    """The pictures of a sequence in frame order; None when `source` names none.

    `source` is their folder, a pattern, or the name of any one of them. Raises PictureNamesError:
    none there, several sequences in the folder, a name without a number, a frame that is missing
    or there twice.
    """
    numbered = find_numbered(source, suffixes)
    return None if numbered is None else [path for _, path in numbered]


def find_numbered(
    source: Path, suffixes: tuple[str, ...] = PICTURE_SUFFIXES
) -> list[tuple[int, Path]] | None:
    """The same, each with its frame number; they rise by 1."""
    if source.is_dir():
        return _of_folder(source, suffixes)
    if not is_picture(source.name, suffixes):
        return None
    if source.exists():
        return _of_file(source, suffixes)
    return _of_pattern(source, suffixes)


def pattern_of(name: str) -> tuple[str, int, str] | None:
    """What stands before and behind the frame number in a pattern, and with how many digits it is
    written at least; None for a name without one place for it."""
    places = sorted(_PATTERN.finditer(name), key=lambda match: len(match[0]))
    if not places or (len(places) > 1 and len(places[-2][0]) == len(places[-1][0])):
        return None
    place = places[-1]
    width = len(place[0]) if place[0][0] == "#" else int(place[0][1:-1] or 0)
    return name[: place.start()], width, name[place.end() :]


def pattern_for(name: str, number: int) -> str:
    """The name of a sequence by that of one picture: `plate.####.exr` of `plate.1001.exr`. Where it
    holds the number more than once, the last place is marked."""
    stem, dot, suffix = name.rpartition(".")
    places = list(
        re.finditer(rf"(?<![0-9]){'-' if number < 0 else ''}0*{abs(number)}(?![0-9])", stem)
    )
    if not places:
        return name
    first, last = places[-1].span()
    return f"{stem[:first]}{'#' * (last - first)}{stem[last:]}{dot}{suffix}"


def _of_folder(folder: Path, suffixes: tuple[str, ...]) -> list[tuple[int, Path]]:
    found = [_parsed(path) for path in _pictures_in(folder, suffixes)]
    if not found:
        raise PictureNamesError(
            f"there are no pictures {folder}: it is a folder without {', '.join(suffixes)}"
        )
    kinds = sorted({_numbered(name).between for name in found})
    alike = [[name for name in found if name.between == kind] for kind in kinds]
    pairs = [pair for names in alike for pair in _framed(names)]
    if len(kinds) > 1:
        raise _two_sequences(pairs, alike[0][0], alike[1][0])
    return _in_order(pairs)


def _of_file(source: Path, suffixes: tuple[str, ...]) -> list[tuple[int, Path]]:
    siblings = _pictures_in(source.parent, suffixes)
    same = [path for path in siblings if path.name.lower() == source.name.lower()]
    chosen = _numbered(_parsed(source if source in siblings or not same else same[0]))
    kin = [_parsed(path) for path in siblings if path != chosen.path]
    kin = [chosen, *(name for name in kin if name.between == chosen.between)]
    best, most = None, (False, 0, 0, 0)
    for place in range(len(chosen.numbers)):
        others = _without(chosen.numbers, place)
        found = [name for name in kin if _without(name.numbers, place) == others]
        values = {name.numbers[place] for name in found}
        rank = (not _is_version(chosen, place), *_fullness(values), place)
        if rank[1] > 1 and rank >= most:
            best, most = [(name.numbers[place], name.path) for name in found], rank
    if best is None:  # nothing changes alone: all together, or not at all
        best = _framed(kin if _all_differ(kin) else [chosen])
    return _in_order(best)


def _of_pattern(source: Path, suffixes: tuple[str, ...]) -> list[tuple[int, Path]]:
    is_marked = _PATTERN.search(source.name) is not None
    ranges = [] if is_marked else list(_RANGE.finditer(source.name))
    if not source.parent.is_dir() or not (is_marked or ranges):
        raise PictureNamesError(f"there is no file {source}")
    wanted: tuple[int, int] | None = None
    if is_marked:
        pattern = pattern_of(source.name)
        if pattern is None:
            raise PictureNamesError(f"{source} has two places for the frame number: mark only one")
        before, width, after = pattern
    else:
        place, width = ranges[-1], 0
        wanted = int(place[1]), int(place[2])
        before, after = source.name[: place.start()], source.name[place.end() :]
    name = re.compile(re.escape(before) + "(-?[0-9]+)" + re.escape(after))
    numbered: dict[int, list[Path]] = {}
    for path in _pictures_in(source.parent, suffixes, hidden=before.startswith(".")):
        match = name.fullmatch(path.name)
        if match and (wanted is None or wanted[0] <= int(match[1]) <= wanted[1]):
            numbered.setdefault(int(match[1]), []).append(path)
    if not numbered:
        raise PictureNamesError(f"there are no pictures {source}")
    if wanted is not None:
        _check_ends(source, wanted, numbered)
    pairs = []
    for number, paths in numbered.items():
        exact = source.parent / f"{before}{number:0{width}d}{after}"
        pairs += [(number, path) for path in ([exact] if exact in paths else paths)]
    return _in_order(pairs)


def _check_ends(source: Path, wanted: tuple[int, int], numbered: Collection[int]) -> None:
    """Raise PictureNamesError when the first or the last frames of a range are missing."""
    ends = (wanted[0], min(numbered) - 1), (max(numbered) + 1, wanted[1])
    for first, last in ends:
        if first <= last:
            missing = f"frame {first} is" if first == last else f"frames {first} to {last} are"
            raise PictureNamesError(f"{missing} missing from {source}")


def _pictures_in(folder: Path, suffixes: tuple[str, ...], *, hidden: bool = False) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if is_picture(path.name, suffixes) and (hidden or path.name[0] != ".") and not path.is_dir()
    )


def _parsed(path: Path) -> _Name:
    stem = path.name[: len(path.name) - len(path.suffix)]
    numbers = tuple(int(number) for number in _NUMBER.findall(stem))
    return _Name(path, numbers, (*_NUMBER.split(stem), path.suffix))


def _numbered(name: _Name) -> _Name:
    """The same name. Raises PictureNamesError when there is no number in it."""
    if not name.numbers:
        raise PictureNamesError(
            f"{name.path} has no frame number in its name; a clip needs one picture a frame"
        )
    return name


def _framed(names: list[_Name]) -> list[tuple[int, Path]]:
    """Names that differ in nothing but numbers, each with its frame. Raises PictureNamesError when
    they are more than one sequence."""
    first = names[0]
    values = [{name.numbers[place] for name in names} for place in range(len(first.numbers))]
    places = range(len(values))
    moving = [place for place in places if len(values[place]) > 1] or list(places)
    frames = [place for place in moving if not _is_version(first, place)] or moving
    chosen = max(frames, key=lambda place: (*_fullness(values[place]), place))
    pairs = [(name.numbers[chosen], name.path) for name in names]
    if len(moving) > 1 and len(names) > 1 and not _all_differ(names):
        rest = _without(first.numbers, chosen)
        other = next(name for name in names if _without(name.numbers, chosen) != rest)
        raise _two_sequences(pairs, first, other)
    return pairs


def _two_sequences(pairs: list[tuple[int, Path]], first: _Name, second: _Name) -> PictureNamesError:
    """The error, which names two pictures of one frame where there are any."""
    double = _double(sorted(pairs))
    if double is not None:
        return double
    return PictureNamesError(
        f"{first.path} and {second.path} are of two sequences: "
        "name one picture of the one that is meant"
    )


def _all_differ(names: list[_Name]) -> bool:
    """Whether each number that changes is another one in every name."""
    columns = [{*column} for column in zip(*(name.numbers for name in names), strict=True)]
    return all(len(column) in (1, len(names)) for column in columns)


def _fullness(values: set[int]) -> tuple[int, int]:
    """How many frames there are, and less than 0: how far apart the ends."""
    return len(values), min(values) - max(values)


def _is_version(name: _Name, place: int) -> bool:
    return _VERSION.search(name.between[place]) is not None


def _without(numbers: tuple[int, ...], place: int) -> tuple[int, ...]:
    return numbers[:place] + numbers[place + 1 :]


def _double(ordered: list[tuple[int, Path]]) -> PictureNamesError | None:
    for (number, path), (following, next_path) in itertools.pairwise(ordered):
        if number == following:
            return PictureNamesError(
                f"{path} and {next_path} are both frame {number}: choose one, "
                "or give a pattern with #### in place of the number"
            )
    return None


def _in_order(numbered: list[tuple[int, Path]]) -> list[tuple[int, Path]]:
    """Pictures in the order of their frames. Raises PictureNamesError."""
    ordered = sorted(numbered)
    double = _double(ordered)
    if double is not None:
        raise double
    gaps = [
        (before + 1, after - 1, path)
        for (before, _), (after, path) in itertools.pairwise(ordered)
        if after > before + 1
    ]
    if gaps:
        first, last, path = gaps[0]
        missing = f"frame {first} is" if first == last else f"frames {first} to {last} are"
        more = sum(last - first + 1 for first, last, _ in gaps[1:])
        also = f", and {more} more after it" if more else ""
        raise PictureNamesError(f"{missing} missing before {path}{also}")
    return ordered
