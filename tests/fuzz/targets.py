"""What is fuzzed: each target takes bytes that anybody may send, and must end as it says."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from backend.settings import ServerSettings
from ex4d.depth.depth_files import open_depth
from ex4d.depth.exr import read_exr
from ex4d.depth.integers import read_integers
from ex4d.errors import DepthError, Ex4dError
from ex4d.files.manifest import MANIFEST, read_manifest
from ex4d.files.npz import read_npz
from ex4d.training.dataset import FORMAT, DatasetSettings
from ex4d.training.fit.settings import read_config
from ex4d.training.records import read_record_file
from ex4d.video.clip import VideoReading
from ex4d.video.reader import FrameRange, read_clip
from ex4d.video.sequence import PictureSequence, read_sequence
from protocol import codec
from protocol.errors import ProtocolError
from protocol.keys import read_public_key

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TARGETS"]

BUDGET = ServerSettings().budget().within(1 << 30)
_LONGEST = 1000  # characters of a sentence


def _file_of(data: bytes, suffix: str) -> Path:
    """The bytes as a file, in memory where the system has a place for that."""
    place = Path("/dev/shm")  # noqa: S108  (its name has the process's number)
    folder = place if place.is_dir() else Path(tempfile.gettempdir())
    path = folder / f"ex4d-fuzz-{os.getpid()}{suffix}"
    path.write_bytes(data)
    return path


def _read(path: Path, *reads: Callable[[Path], object]) -> None:
    """Each of `reads` must succeed, or raise one sentence of ours that names the file."""
    for read in reads:
        try:
            read(path)
        except Ex4dError as error:
            text = str(error)
            assert str(path) in text, text
            assert "\n" not in text, text
            assert len(text) < _LONGEST, text


def _frames(path: Path) -> None:
    stored = open_depth(path, budget=BUDGET)
    try:
        for number in range(min(3, stored.n_frames)):
            assert stored.frame(number).shape == stored.size[::-1]
    finally:
        stored.close()


def _plate(path: Path) -> None:
    sequence = PictureSequence(path, 1, 1, {0: path})
    clip = read_sequence(sequence, FrameRange(), lambda _: (16, 16), BUDGET)
    assert clip.frames.shape == (1, 16, 16, 3)


def npz(data: bytes) -> None:
    path = _file_of(data, ".npz")
    _read(path, _frames, lambda path: read_npz(path, DepthError, BUDGET))


def exr(data: bytes) -> None:
    path = _file_of(data, ".exr")
    _read(path, lambda path: read_exr(path, None, BUDGET), lambda path: read_exr(path, "a", BUDGET))
    _read(path, _plate)


def picture(data: bytes) -> None:
    _read(_file_of(data, ".png"), lambda path: read_integers(path, BUDGET), _plate)


def video(data: bytes) -> None:
    reading = VideoReading("keep", deinterlace=True) if len(data) % 2 else VideoReading()

    def read(path: Path) -> None:
        chosen, size = FrameRange(0, 1, 4), {"width": 32, "height": 32}
        clip = read_clip(path, chosen, **size, budget=BUDGET, reading=reading)
        assert clip.frames.shape[1:] == (32, 32, 3)
        assert clip.fps > 0
        if clip.steps is not None:
            assert len(clip.steps.of_frames) == len(clip.frames)
        assert all("\n" not in note and len(note) < _LONGEST for note in clip.notes)

    _read(_file_of(data, ".mp4"), read)


def text(data: bytes) -> None:
    """What lies in a folder of results, of a dataset, of a training run, or of keys."""
    _read(_file_of(data, ".toml"), read_config)
    _read(_file_of(data, ".json"), lambda path: read_record_file(path, DatasetSettings, FORMAT))
    folder = _file_of(b"", "").with_suffix(".folder")
    folder.mkdir(exist_ok=True)
    (folder / MANIFEST).write_bytes(data)
    _read(folder, read_manifest)
    with suppress(ProtocolError):
        read_public_key(_file_of(data, ".key"))


def messages(data: bytes) -> None:
    for frames in ([data], [data, b"payload"]):
        for decode in (codec.decode_control, codec.decode_data, codec.number_of):
            try:
                decode(frames)
            except ProtocolError as error:
                codec.failure_of(1, error)


# By name, with the longest input that is tried: what is longer is slower and no richer.
TARGETS: dict[str, tuple[Callable[[bytes], None], int]] = {
    "messages": (messages, 4096),
    "npz": (npz, 8192),
    "exr": (exr, 8192),
    "picture": (picture, 4096),
    "video": (video, 16384),
    "text": (text, 2048),
}
