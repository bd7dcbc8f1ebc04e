"""A training dataset on disk: clips with their masks, made by `ex4d masks`.

    DATASET/dataset.json              DatasetSettings: what every clip has in common
    DATASET/clips/NAME/gt.mp4         the clip
    DATASET/clips/NAME/mask_*.mp4     its masks, lossless, true where the source is visible
    DATASET/clips/NAME/preview.png    some of its frames, for people
    DATASET/clips/NAME/clip.json      ClipRecord

A clip's folder appears whole or not at all. Names that begin with a dot are unfinished work.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction  # noqa: TC003  (read at run time, as all types of records)
from pathlib import Path
from typing import Literal

from ex4d.errors import InputError
from ex4d.training.records import read_record_file, write_record_file
from ex4d.video.clip import VideoReading

__all__ = [
    "FORMAT",
    "VIDEO_FILE",
    "ClipRecord",
    "Dataset",
    "DatasetSettings",
    "MaskKind",
    "MaskRecord",
    "PathRecord",
    "clip_folder",
    "is_dataset",
    "read_dataset",
    "read_record",
    "read_settings",
    "write_record",
    "write_settings",
]

FORMAT = 1  # of the folder
MaskKind = Literal["rendering", "reprojection", "tracking"]

VIDEO_FILE = "gt.mp4"
_SETTINGS, _CLIPS, _RECORD = "dataset.json", "clips", "clip.json"


@dataclass(frozen=True)
class DatasetSettings:
    """What every clip of a dataset has in common."""

    width: int  # of every video, pixels
    height: int
    num_frames: int  # of every video, 4 n + 1
    stride: int  # of every `stride` source frames one is taken; the clip's rate falls with it
    seed: int
    masks: dict[MaskKind, int]  # how many of each kind a clip has
    tracker: str  # that tracking masks were made with
    estimator: str | None  # of the depth of videos without a depth file
    hdr: str = "tonemap"  # as VideoReading's
    deinterlace: bool = False
    format: int = FORMAT

    @property
    def reading(self) -> VideoReading:
        """What is made of videos that are not simply shown."""
        return VideoReading(self.hdr, self.deinterlace)


@dataclass(frozen=True)
class PathRecord:
    """The simulated camera path behind a mask."""

    kind: str
    numbers: dict[str, float]  # degrees, and lengths in the depth's unit


@dataclass(frozen=True)
class MaskRecord:
    """One mask of a clip."""

    kind: MaskKind
    file: str  # name in the clip's folder
    seed: int
    path: PathRecord | None  # None for tracking
    visible_share: float  # of all pixels of the clip
    least_visible_share: float  # of the pixels of the frame that shows least


@dataclass(frozen=True)
class ClipRecord:
    """Where a clip comes from, and what lies beside it."""

    name: str  # of its folder
    source: str  # the video, relative to the input folder, with /
    first_frame: int  # number in the source of the clip's frame 0
    stride: int
    fps: Fraction  # of the clip
    depth: str  # its file, relative to the depth's folder with /, or the estimator
    prompt: str
    masks: tuple[MaskRecord, ...]
    format: int = FORMAT


@dataclass(frozen=True)
class Dataset:
    """A dataset that was read."""

    folder: Path
    settings: DatasetSettings
    clips: tuple[ClipRecord, ...]  # by source, then by first frame

    def video(self, clip: ClipRecord) -> Path:
        """The clip itself, what a model learns to generate."""
        return clip_folder(self.folder, clip.name) / VIDEO_FILE

    def mask(self, clip: ClipRecord, mask: MaskRecord) -> Path:
        """The video of one of a clip's masks."""
        return clip_folder(self.folder, clip.name) / mask.file


def clip_folder(dataset: Path, name: str) -> Path:
    """Where the clip of that name lies in a dataset."""
    return dataset / _CLIPS / name


def is_dataset(folder: Path) -> bool:
    """Whether `ex4d masks` has made a folder, or has begun to."""
    return (folder / _SETTINGS).exists()


def read_dataset(folder: Path) -> Dataset:
    """Read the settings and the records of all clips; videos are not opened.

    Raises InputError, naming the file, when one is missing, damaged or of another format.
    """
    folder = Path(folder)
    settings = read_settings(folder)
    root = folder / _CLIPS
    names = [path for path in root.iterdir() if path.name[0] != "."] if root.is_dir() else []
    clips = [read_record(path) for path in names if path.is_dir()]
    return Dataset(folder, settings, tuple(sorted(clips, key=lambda c: (c.source, c.first_frame))))


def read_settings(folder: Path) -> DatasetSettings:
    """Read `dataset.json`. Raises InputError as read_dataset does."""
    if not is_dataset(folder):
        raise InputError(f"{folder} is not a dataset of ex4d masks: there is no {_SETTINGS} in it")
    return read_record_file(folder / _SETTINGS, DatasetSettings, FORMAT)


def write_settings(folder: Path, settings: DatasetSettings) -> None:
    """Write `dataset.json`. Raises OutputError."""
    write_record_file(folder / _SETTINGS, settings)


def read_record(folder: Path) -> ClipRecord:
    """Read the `clip.json` of a clip's folder. Raises InputError as read_dataset does, also when
    it belongs to another folder, or a video it names is missing; it says how to mend that."""
    try:
        record = read_record_file(folder / _RECORD, ClipRecord, FORMAT)
        if record.name != folder.name:
            raise InputError(f"{folder / _RECORD} belongs to another clip, {record.name}")
        for name in (VIDEO_FILE, *(mask.file for mask in record.masks)):
            if not (folder / name).is_file():
                raise InputError(f"there is no {folder / name}, which {_RECORD} beside it names")
    except InputError as error:
        raise InputError(f"{error}; remove {folder} and run ex4d masks again") from None
    return record


def write_record(folder: Path, record: ClipRecord) -> None:
    """Write the `clip.json` of a clip's folder. Raises OutputError."""
    write_record_file(folder / _RECORD, record)
