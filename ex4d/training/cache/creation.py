"""A cache made from a dataset, or continued."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch

from ex4d.engines.base import NEGATIVE_PROMPT, PROMPT
from ex4d.engines.wan.erosion import EROSION_PX
from ex4d.engines.wan.folder import find_models, require_files
from ex4d.engines.wan.load import prompt_encoder
from ex4d.engines.wan.prompts import fingerprint
from ex4d.errors import InputError, UsageError
from ex4d.files.manifest import Run
from ex4d.files.outputs import staged_folder
from ex4d.training.cache.encoding import ClipEncoder, read_pictures
from ex4d.training.cache.files import (
    CacheSettings,
    ClipEntry,
    clip_names,
    is_cache,
    read_entry,
    read_settings,
    text_folder,
    write_entry,
    write_settings,
)
from ex4d.training.dataset import read_dataset
from ex4d.training.processes import in_processes
from ex4d.training.records import record_to_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ex4d.engines.wan.folder import ModelFiles
    from ex4d.training.dataset import ClipRecord, Dataset

__all__ = ["CacheJob", "CacheSummary", "Report", "encode_clips", "make_cache"]

Report = Callable[[int, int], None]  # clips in the cache, clips in the dataset

_PROMPTS_AT_ONCE = 1000


@dataclass(frozen=True)
class CacheJob:
    """What is encoded, and with what."""

    dataset: Path
    cache: Path
    models: Path
    flip: bool
    devices: tuple[str, ...]  # one worker for each


@dataclass(frozen=True)
class CacheSummary:
    """What a run has done."""

    n_made: int
    n_kept: int  # clips that were there
    n_others: int  # clips in the cache that are not in the dataset; training reads them too
    problems: tuple[str, ...]  # a sentence for each clip that could not be encoded


def make_cache(job: CacheJob, report: Report) -> CacheSummary:
    """Encode the clips that are not in the cache yet, or whose records have changed.

    Raises InputError for a dataset that is damaged or without clips, UsageError for a cache of
    other settings, MissingPartError, WeightsError, OutputError, and TooLargeError.
    """
    dataset = read_dataset(job.dataset)
    if not dataset.clips:
        raise InputError(f"{job.dataset} holds no clips")
    files = find_models(job.models)
    require_files((files.vae, files.image_encoder, files.text_encoder, files.tokenizer))
    _open_cache(job, _settings(dataset, files, flip=job.flip))
    _encode_texts(job, dataset, files)
    missing = [clip for clip in dataset.clips if not _is_there(job.cache, clip)]
    names = tuple(clip.name for clip in missing)
    n_kept = len(dataset.clips) - len(missing)
    others = set(clip_names(job.cache)) - {clip.name for clip in dataset.clips}
    problems: list[str] = []

    def tell() -> None:
        report(len(clip_names(job.cache)) - len(others), len(dataset.clips))

    for found in _in_workers(job, names, tell) if names else ():
        problems += found
    return CacheSummary(len(missing) - len(problems), n_kept, len(others), tuple(problems))


def encode_clips(job: CacheJob, names: tuple[str, ...], device: str) -> list[str]:
    """Encode clips one after the other; return a sentence for each that could not be read."""
    return [problem for problem in _encoded(job, names, device) if problem]


def _in_workers(
    job: CacheJob, names: tuple[str, ...], tell: Callable[[], None]
) -> Iterator[list[str]]:
    devices = job.devices[: len(names)]
    if len(devices) == 1:
        problems = []
        for problem in _encoded(job, names, devices[0]):
            problems += [problem] if problem else []
            tell()
        yield problems
        return
    shares = [names[number :: len(devices)] for number in range(len(devices))]
    tasks = [(job, share, device) for share, device in zip(shares, devices, strict=True)]
    yield from in_processes(encode_clips, tasks, len(tasks), tell)


def _encoded(job: CacheJob, names: tuple[str, ...], device: str) -> Iterator[str]:
    """Encode clips; yield after each one what was wrong with it, mostly nothing."""
    dataset = read_dataset(job.dataset)
    clips = {clip.name: clip for clip in dataset.clips}
    encoder = ClipEncoder(find_models(job.models), _device(device))
    for clip in (clips[name] for name in names):
        try:
            tensors = encoder.encode(read_pictures(dataset, clip), flip=job.flip)
            write_entry(job.cache, _entry(clip), tensors)
            yield ""
        except InputError as error:
            yield str(error)


def _settings(dataset: Dataset, files: ModelFiles, *, flip: bool) -> CacheSettings:
    return CacheSettings(
        width=dataset.settings.width,
        height=dataset.settings.height,
        num_frames=dataset.settings.num_frames,
        erosion_px=EROSION_PX,
        has_flipped=flip,
        vae=fingerprint(files.vae),
        image_encoder=fingerprint(files.image_encoder),
        text_encoder=fingerprint(files.text_encoder),
    )


def _open_cache(job: CacheJob, settings: CacheSettings) -> None:
    """Check what was made before, or begin."""
    if not is_cache(job.cache):
        if job.cache.is_dir() and any(job.cache.iterdir()):
            raise UsageError(f"{job.cache} holds something else than a cache: give another folder")
        with staged_folder(job.cache, Run("cache")) as staging:
            write_settings(staging, settings)
        return
    before = read_settings(job.cache)
    for name, asked in asdict(settings).items():
        there = getattr(before, name)
        if there != asked:
            raise UsageError(
                f"{job.cache} was made with other settings: {name} is {there} there, and {asked} "
                "now; give another --output_dir, or the same dataset, models and flags"
            )


def _encode_texts(job: CacheJob, dataset: Dataset, files: ModelFiles) -> None:
    """Encode every prompt once, the empty one, which prompts are dropped for, and those of sample
    videos."""
    encode = prompt_encoder(files, text_folder(job.cache), _device(job.devices[0]))
    prompts = sorted({clip.prompt for clip in dataset.clips} | {"", PROMPT, NEGATIVE_PROMPT})
    for start in range(0, len(prompts), _PROMPTS_AT_ONCE):
        encode(tuple(prompts[start : start + _PROMPTS_AT_ONCE]))


def _device(name: str) -> torch.device:
    device = torch.device(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)  # streams and events are made on the current one
    return device


def _is_there(cache: Path, clip: ClipRecord) -> bool:
    """Whether the clip is in the cache as it is in the dataset; a damaged file is made again."""
    with suppress(InputError):
        return read_entry(cache, clip.name) == _entry(clip)
    return False


def _entry(clip: ClipRecord) -> ClipEntry:
    return ClipEntry(
        name=clip.name,
        source=clip.source,
        prompt=clip.prompt,
        fps=clip.fps,
        masks=tuple(mask.file for mask in clip.masks),
        record=hashlib.sha256(record_to_json(clip).encode()).hexdigest(),
    )
