"""generate: from a pair of condition videos to the finished clip"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ex4d.cli.clip_flags import add_rate_flag, files_of, rate_of
from ex4d.cli.console import progress_bar, say
from ex4d.cli.precision_comparison import Comparison, comparison_files
from ex4d.cli.wan_flags import add_wan_flags
from ex4d.conditions.backdrop import Backdrop
from ex4d.conditions.files import backdrop_beside, read_conditions
from ex4d.conditions.render import Conditions
from ex4d.conditions.resize import resize_conditions
from ex4d.engines.base import (
    WITH_STEPS_LORA,
    EngineOptions,
    GenerateSettings,
    Watcher,
    check_size,
    result_metadata,
)
from ex4d.engines.choose import ENGINE_NAMES, choose_engine
from ex4d.engines.wan.folder import find_models, no_steps_lora
from ex4d.errors import UsageError
from ex4d.files.manifest import Run
from ex4d.files.outputs import staged_beside
from ex4d.video.clip import VideoReading
from ex4d.video.frame_numbers import first_number_of, numbered_metadata
from ex4d.video.picture_writer import PicturePattern
from ex4d.video.size import working_size
from ex4d.video.writer import write_video
from ex4d.weights.folder import default_folder

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from fractions import Fraction

    import numpy as np

    from ex4d.conditions.render import Progress
    from ex4d.engines.base import Engine

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    add = parser.add_argument
    add("--color_video", required=True, type=Path, help="color_<cam>.mp4 of recon, or pictures")
    add("--mask_video", required=True, type=Path, help="mask_<cam>.mp4 of recon, or pictures")
    add(
        "--output_video",
        required=True,
        type=Path,
        help="the finished clip: .mp4, .mov, or pictures, out.####.png of 16 bits or .exr of half "
        "floats",
    )
    add("--first_frame", type=int, help="number of the first; default: the conditions', else 0")
    add_rate_flag(parser)
    add("--engine", choices=ENGINE_NAMES, default="auto", help="preview: a draft without a GPU")
    add("--seed", type=int, default=0, help="the same seed gives the same clip")
    add("--num_frames", type=int, help="at most so many frames; default: all")
    add(
        "--width",
        type=int,
        help="width of the clip, its height follows; default: the conditions', or what fits wan",
    )
    add("--height", type=int, help="height of the clip")
    add_wan_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Make the finished clip."""
    options = EngineOptions(
        arguments.models,
        arguments.vram,
        arguments.lora,
        arguments.checkpoint,
        steps_lora=_steps_lora(arguments),
    )
    if not 0 <= arguments.seed < 1 << 32:
        raise UsageError(f"--seed is {arguments.seed}; give 0 to {(1 << 32) - 1}")
    settings = _settings(arguments)
    engine, reason = choose_engine(arguments.engine, options)
    pattern = PicturePattern.of(arguments.output_video)
    if arguments.compare_precision:
        Comparison(engine, settings, arguments.seed).check(is_video=pattern is None)
    conditions, fps, number = _read(arguments)
    words = ""
    with _target(arguments, pattern, number, len(conditions.color)) as folder:
        size = _size(conditions, arguments)
        if size is not None and not engine.follows_settings:
            conditions = resize_conditions(conditions, size)
        elif size is not None:  # the engine resizes, and may need the conditions as they are
            settings = _settings(arguments, size)
        _say_what(engine, reason, conditions, arguments)
        started = time.monotonic()
        with progress_bar("generate") as progress:
            target = folder / arguments.output_video.name
            make = partial(_made, engine, conditions, watcher=_Bar(progress), seed=arguments.seed)
            frames: Iterable[np.ndarray] = make(settings)
            if arguments.compare_precision:
                comparison = Comparison(engine, settings, arguments.seed)
                frames, words = comparison.write(target, make, fps)
            if pattern is not None:
                pattern.write(folder, frames, number or 0)
            else:
                metadata = result_metadata(engine, arguments.seed, settings)
                metadata = numbered_metadata(metadata, number)
                write_video(target, frames, fps, metadata=metadata)
    if words:
        say("precision", words)
    those = "" if pattern is None else _said_numbers(number or 0, len(conditions.color), fps)
    say("wrote", f"{arguments.output_video}{those} ({time.monotonic() - started:.1f} s)")
    return 0


def _read(arguments: argparse.Namespace) -> tuple[Conditions, Fraction, int | None]:
    """The conditions, their rate, and the number of their first frame, if it has one."""
    reading = VideoReading(fps=rate_of(arguments))
    conditions, fps = read_conditions(arguments.color_video, arguments.mask_video, reading=reading)
    number = arguments.first_frame
    if number is None:
        number = first_number_of(arguments.color_video)
    return _cut(conditions, arguments.num_frames), fps, number


def _said_numbers(first: int, count: int, fps: Fraction) -> str:
    """Which pictures were written, and for which rate: they do not say it themselves."""
    return f": frames {first} to {first + count - 1}, for {float(fps):.6g} frames a second"


def _target(
    arguments: argparse.Namespace, pattern: PicturePattern | None, number: int | None, count: int
) -> AbstractContextManager[Path]:
    """A folder for the results, which come to the place that was asked for; see staged_folder."""
    target = arguments.output_video
    names = [target.name]
    if pattern is not None:
        names = pattern.names(number or 0, count)
        names += pattern.others_in(target.parent, names)  # they would be read with the new ones
    if arguments.compare_precision:
        names += [path.name for path in comparison_files(target)]
    return staged_beside(target, _run_of(arguments), names)


def _run_of(arguments: argparse.Namespace) -> Run:
    color = arguments.color_video
    videos = (*files_of(color), *files_of(arguments.mask_video), backdrop_beside(color))
    reads = (*videos, arguments.checkpoint, _steps_lora(arguments))
    return Run("generate", arguments.output_video.name, reads=tuple(path for path in reads if path))


class _Bar(Watcher):
    """Shows the stages one after the other in one bar."""

    def __init__(self, update: Progress) -> None:
        self._update = update

    def progress(self, stage: str, done: int, total: int) -> None:
        self._update(done, total)


def _steps_lora(arguments: argparse.Namespace) -> Path | None:
    """The file that is asked for, by its name or as the one among the weights."""
    given: Path | bool | None = arguments.steps_lora
    if isinstance(given, Path) and not given.is_file():
        raise UsageError(f"there is no file {given}")
    if given is not True:
        return given or None
    usual = find_models(arguments.models or default_folder()).steps_lora
    if usual is None:
        raise no_steps_lora()
    return usual


def _settings(
    arguments: argparse.Namespace, size: tuple[int, int] | None = None
) -> GenerateSettings:
    usual = GenerateSettings() if arguments.steps_lora is None else WITH_STEPS_LORA
    steps, scale = arguments.num_inference_steps, arguments.guidance_scale
    return GenerateSettings(
        num_inference_steps=usual.num_inference_steps if steps is None else steps,
        guidance_scale=usual.guidance_scale if scale is None else scale,
        steps_lora=usual.steps_lora,
        guidance_until=arguments.guidance_until,
        step_cache=arguments.step_cache,
        shift=arguments.shift,
        prompt=arguments.prompt,
        negative_prompt=arguments.negative_prompt,
        keep_source=arguments.keep_source,
        precision=arguments.precision,
        size=size,
    )


def _made(
    engine: Engine,
    conditions: Conditions,
    settings: GenerateSettings,
    *,
    watcher: Watcher,
    seed: int,
) -> Iterator[np.ndarray]:
    """The finished frames; the writer asks when its place has proved good."""
    yield from engine.generate(conditions, seed=seed, settings=settings, watcher=watcher)


def _say_what(
    engine: Engine, reason: str, conditions: Conditions, arguments: argparse.Namespace
) -> None:
    n_frames, height, width = conditions.mask.shape
    say("input", f"{n_frames} frames of {width}x{height}, {conditions.mask.mean():.0%} seen")
    say("engine", f"{engine.name} ({reason})")
    say("", engine.label)
    if conditions.backdrop is None and engine.uses_backdrop:
        name = backdrop_beside(arguments.color_video).name
        say("", f"no {name} beside the colour video: holes are filled smoothly from their rim")


def _size(conditions: Conditions, arguments: argparse.Namespace) -> tuple[int, int] | None:
    """The width and height that were asked for; a missing one keeps the conditions' aspect."""
    if arguments.width is None and arguments.height is None:
        return None
    height, width = conditions.mask.shape[1:]
    check_size(
        (
            width if arguments.width is None else arguments.width,
            height if arguments.height is None else arguments.height,
        )
    )
    size = working_size((width, height), width=arguments.width, height=arguments.height)
    return size


def _cut(conditions: Conditions, num_frames: int | None) -> Conditions:
    if num_frames is None:
        return conditions
    if num_frames < 1:
        raise UsageError(f"--num_frames is {num_frames}; it must be at least 1")
    backdrop = conditions.backdrop
    if backdrop is not None:
        backdrop = Backdrop(backdrop.color[:num_frames], backdrop.mask[:num_frames])
    return Conditions(conditions.color[:num_frames], conditions.mask[:num_frames], backdrop)
