"""The pictures of an mp4 or mov, counted by its tables, without those that its edit list cuts
(ISO 14496-12)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from .quicktime import walk_boxes
from .track_header import TRACK_HEADER_BYTES, read_track_header

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["count_samples"]

_MOST_SAMPLES = 10_000_000  # two days; a damaged table may claim more
_MOST_BYTES = 8 * _MOST_SAMPLES  # of a table
_NOTHING = -1  # time of an edit that shows nothing


@dataclass
class _Track:
    """What the tables of one track say, times in its own unit but for those of edits."""

    unit: int = 0  # ticks a second
    number: int = 0
    is_video: bool | None = None  # None: not said yet
    n_samples: int = 0
    durations: list[tuple[int, int]] = field(default_factory=list)  # how many, how long
    delays: list[tuple[int, int]] = field(default_factory=list)  # how many, from decoding to show
    edits: list[tuple[int, int]] = field(default_factory=list)  # how long in the film's unit, from


@dataclass
class _Film:
    unit: int = 0
    tracks: list[_Track] = field(default_factory=list)
    fragments: dict[int, int] = field(default_factory=dict)  # samples by the track's number
    _fragment: int = 0  # the track of the one that is read


def count_samples(file: BinaryIO) -> int:
    """Pictures of the first video track; 0 where there is none or no mp4 or mov."""
    film = _Film()
    for kind, first, last in walk_boxes(file):
        file.seek(first)
        _note(film, kind, file, last - first)
    track = next((track for track in film.tracks if track.is_video), None)
    if track is None or track.n_samples > _MOST_SAMPLES:
        return 0
    if track.number in film.fragments:
        return track.n_samples + film.fragments[track.number]
    return _n_shown(track, film.unit)


def _note(film: _Film, kind: bytes, file: BinaryIO, size: int) -> None:
    """Take down what one box says."""
    if kind == b"trak":
        film.tracks.append(_Track())
    elif kind == b"mvhd":
        film.unit = _unit(file)
    elif kind == b"tfhd":
        film._fragment = struct.unpack(">II", file.read(8))[1]
    elif kind == b"trun":
        count = struct.unpack(">II", file.read(8))[1]
        film.fragments[film._fragment] = film.fragments.get(film._fragment, 0) + count
    elif film.tracks:
        _note_table(film.tracks[-1], kind, file, size)


def _note_table(track: _Track, kind: bytes, file: BinaryIO, size: int) -> None:
    if kind == b"tkhd":
        header = read_track_header(file.read(min(size, TRACK_HEADER_BYTES)))
        track.number = header.number if header else 0
    elif kind == b"mdhd":
        track.unit = _unit(file)
    elif kind == b"hdlr" and track.is_video is None:  # another one tells where the data lies
        track.is_video = file.read(12)[8:] == b"vide"
    elif kind == b"stsz":
        track.n_samples = struct.unpack(">III", file.read(12))[2]
    elif kind == b"stts":
        track.durations = _pairs(file, ">II", size)
    elif kind == b"ctts":
        track.delays = _pairs(file, ">Ii", size)
    elif kind == b"elst":
        track.edits = _edits(file, size)


def _unit(file: BinaryIO) -> int:
    head = file.read(24)
    return int(struct.unpack_from(">I", head, 20 if head[0] else 12)[0])


def _pairs(file: BinaryIO, form: str, size: int) -> list[tuple[int, int]]:
    count = struct.unpack(">II", file.read(8))[1]
    content = file.read(min(8 * count, size - 8, _MOST_BYTES))
    return list(struct.iter_unpack(form, content[: len(content) // 8 * 8]))


def _edits(file: BinaryIO, size: int) -> list[tuple[int, int]]:
    version = file.read(4)[0]
    form = ">Qqi" if version else ">Iii"
    count = struct.unpack(">I", file.read(4))[0]
    length = struct.calcsize(form)
    content = file.read(min(length * count, size - 8, _MOST_BYTES))
    entries = struct.iter_unpack(form, content[: len(content) // length * length])
    return [(duration, start) for duration, start, _rate in entries]


def _n_shown(track: _Track, film_unit: int) -> int:
    """Samples whose time lies in an edit; all where there are no edits."""
    edits = [(duration, start) for duration, start in track.edits if start != _NOTHING]
    times = _times(track)
    if not edits or not film_unit or len(times) != track.n_samples:
        return track.n_samples
    n_shown = 0
    for duration, start in edits:
        end = start + round(duration * track.unit / film_unit)
        n_shown += int(((times >= start) & ((times < end) | (duration == 0))).sum())
    return n_shown


def _times(track: _Track) -> NDArray[np.int64]:
    """When each sample is shown, in the track's unit."""
    if _total(track.durations) != track.n_samples:
        return np.zeros(0, np.int64)
    steps = _spread(track.durations)
    times = np.cumsum(steps) - steps
    delays = _spread(track.delays) if _total(track.delays) == track.n_samples else 0
    return times + delays


def _total(pairs: list[tuple[int, int]]) -> int:
    return sum(count for count, _ in pairs)


def _spread(pairs: list[tuple[int, int]]) -> NDArray[np.int64]:
    counts, values = np.array(pairs, np.int64).reshape(-1, 2).T
    return np.repeat(values, counts)
