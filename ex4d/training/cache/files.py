"""A training cache on disk, made by `ex4d cache`: all that a step of training reads.

    CACHE/cache.json                CacheSettings: what every clip has in common
    CACHE/texts/*.safetensors       encoded prompts
    CACHE/clips/NAME.safetensors    a clip and its masks, encoded; its ClipEntry as metadata

A file appears whole or not at all. Tensors are float16: it keeps three more bits of latents than
bfloat16, which they were computed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction  # noqa: TC003  (read at run time, as all types of records)
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import safe_open
from safetensors.torch import save

from ex4d.engines.wan.prompts import PromptCache
from ex4d.engines.wan.weights import open_tensors
from ex4d.errors import InputError
from ex4d.files.outputs import atomic_path
from ex4d.training.records import (
    read_record_file,
    record_from_json,
    record_to_json,
    write_record_file,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

__all__ = [
    "FORMAT",
    "Cache",
    "CacheSettings",
    "ClipEntry",
    "Encoded",
    "clip_names",
    "is_cache",
    "read_cache",
    "read_entry",
    "read_settings",
    "tensor_name",
    "text_folder",
    "write_entry",
    "write_settings",
]

FORMAT = 1
_SETTINGS, _TEXTS, _CLIPS, _ENTRY = "cache.json", "texts", "clips", "clip"


@dataclass(frozen=True)
class CacheSettings:
    """What all clips of a cache have in common."""

    width: int  # of the videos, pixels
    height: int
    num_frames: int
    erosion_px: tuple[int, int]  # masks were eroded by a square of so many pixels
    has_flipped: bool  # every clip is there once more, mirrored
    vae: str  # fingerprints of the weights
    image_encoder: str
    text_encoder: str
    format: int = FORMAT


@dataclass(frozen=True)
class ClipEntry:
    """A clip in a cache."""

    name: str
    source: str  # the video that it was cut from
    prompt: str
    fps: Fraction
    masks: tuple[str, ...]  # their files' names, by number
    record: str  # tells whether the clip's record in the dataset is still the same


@dataclass(frozen=True)
class Encoded:
    """A clip under one of its masks, float32."""

    video: Tensor  # [1, C, T', h, w]: what is learned
    color: Tensor  # [1, C, T', h, w]: the clip where the mask sees it
    mask: Tensor  # [1, C, T', h, w]
    first: Tensor  # [1, C, T', h, w]: the first frame, and grey after it
    features: Tensor  # [1, 257, 1280]: the first frame by the image encoder


@dataclass(frozen=True)
class Cache:
    """A cache that was read; tensors are read when they are asked for."""

    folder: Path
    settings: CacheSettings
    entries: tuple[ClipEntry, ...]  # by name

    def encoded(self, entry: ClipEntry, mask: int, *, flipped: bool = False) -> Encoded:
        """Read a clip under the mask of that number. Raises InputError."""
        parts = {"video": None, "color": mask, "mask": mask, "first": None, "features": None}
        names = {part: tensor_name(part, number, flipped) for part, number in parts.items()}
        stored = open_tensors([_entry_path(self.folder, entry.name)])
        return Encoded(**{part: stored[name].load().float()[None] for part, name in names.items()})

    def text(self, prompt: str) -> Tensor:
        """Read an encoded prompt [L, text_dim]. Raises InputError."""
        return PromptCache(text_folder(self.folder), self.settings.text_encoder).read(prompt)


def tensor_name(part: str, mask: int | None = None, flipped: bool = False) -> str:
    """The name of a tensor in a clip's file."""
    number = "" if mask is None else f".{mask}"
    return f"{'flipped' if flipped else 'plain'}.{part}{number}"


def text_folder(cache: Path) -> Path:
    """Where the encoded prompts of a cache lie."""
    return cache / _TEXTS


def is_cache(folder: Path) -> bool:
    """Whether `ex4d cache` has made a folder, or has begun to."""
    return (folder / _SETTINGS).exists()


def read_cache(folder: Path) -> Cache:
    """Read the settings and the entries of all clips. Raises InputError, naming the file."""
    folder = Path(folder)
    settings = read_settings(folder)
    return Cache(folder, settings, tuple(_read_entry(folder, name) for name in clip_names(folder)))


def clip_names(folder: Path) -> list[str]:
    """The names of the clips in a cache, sorted."""
    return sorted(path.stem for path in (folder / _CLIPS).glob("[!.]*.safetensors"))


def read_settings(folder: Path) -> CacheSettings:
    """Read `cache.json`. Raises InputError."""
    path = folder / _SETTINGS
    if not path.exists():
        raise InputError(f"{folder} is not a cache of ex4d cache: there is no {_SETTINGS} in it")
    return read_record_file(path, CacheSettings, FORMAT)


def write_settings(folder: Path, settings: CacheSettings) -> None:
    """Write `cache.json`. Raises OutputError."""
    write_record_file(folder / _SETTINGS, settings)


def read_entry(folder: Path, name: str) -> ClipEntry | None:
    """Read the entry of a clip; None when it is not there. Raises InputError."""
    return _read_entry(folder, name) if _entry_path(folder, name).exists() else None


def write_entry(folder: Path, entry: ClipEntry, tensors: Mapping[str, Tensor]) -> None:
    """Write a clip's tensors, in float16. Raises OutputError, and InputError for a tensor that
    cannot be written as such."""
    halves = {name: tensor.half().contiguous().cpu() for name, tensor in tensors.items()}
    for name, half in halves.items():
        if not torch.isfinite(half).all():
            raise InputError(f"{name} of the clip {entry.name} is not finite when encoded")
    path = _entry_path(folder, entry.name)
    path.parent.mkdir(exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(halves, {_ENTRY: record_to_json(entry)}))


def _entry_path(folder: Path, name: str) -> Path:
    return folder / _CLIPS / f"{name}.safetensors"


def _read_entry(folder: Path, name: str) -> ClipEntry:
    path = _entry_path(folder, name)
    try:
        with safe_open(path, framework="pt") as file:
            return record_from_json(file.metadata()[_ENTRY], ClipEntry)
    except Exception as problem:  # a damaged file makes the library raise several types
        reason = (str(problem) or type(problem).__name__).partition("\n")[0]
        raise InputError(f"{path} is damaged ({reason}): delete it, and run ex4d cache") from None
