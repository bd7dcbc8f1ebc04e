"""generate: from a pair of condition videos to the finished clip"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ex4d.cli.console import progress_bar, say
from ex4d.conditions.backdrop import Backdrop
from ex4d.conditions.files import read_conditions
from ex4d.conditions.render import Conditions
from ex4d.engines.base import result_metadata
from ex4d.engines.choose import ENGINES, choose_engine
from ex4d.errors import UsageError
from ex4d.video.writer import write_video

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    add = parser.add_argument
    add("--color_video", required=True, type=Path, help="color_<cam>.mp4 of recon")
    add("--mask_video", required=True, type=Path, help="mask_<cam>.mp4 of recon")
    add("--output_video", required=True, type=Path, help="the finished clip")
    add("--engine", choices=ENGINES, default="auto", help="preview: a draft without a GPU")
    add("--seed", type=int, default=0, help="the same seed gives the same clip")
    add("--num_frames", type=int, help="at most so many frames; default: all")
    add("--width", type=int, help="width of the clip; default: the conditions'")
    add("--height", type=int, help="height of the clip")


def run(arguments: argparse.Namespace) -> int:
    """Make the finished clip."""
    engine, reason = choose_engine(arguments.engine)
    for given in (arguments.color_video, arguments.mask_video):
        if given.resolve() == arguments.output_video.resolve():
            raise UsageError(f"--output_video is {given}, which is read: give another name")
    conditions, fps = read_conditions(arguments.color_video, arguments.mask_video)
    conditions = _resized(_cut(conditions, arguments.num_frames), arguments)
    n_frames, height, width = conditions.mask.shape
    say("input", f"{n_frames} frames of {width}x{height}, {conditions.mask.mean():.0%} seen")
    say("engine", f"{engine.name} ({reason})")
    say("", engine.label)
    if conditions.backdrop is None and engine.name == "preview":
        name = arguments.color_video.stem.replace("color", "backdrop", 1)
        say("", f"no {name}.npz beside the colour video: holes are filled smoothly from their rim")
    started = time.monotonic()
    metadata = result_metadata(engine, arguments.seed)
    with progress_bar("generate") as progress:

        def frames() -> Iterator[np.ndarray]:  # the writer asks when its place has proved good
            yield from engine.generate(conditions, seed=arguments.seed, progress=progress)

        write_video(arguments.output_video, frames(), fps, metadata=metadata)
    say("wrote", f"{arguments.output_video} ({time.monotonic() - started:.1f} s)")
    return 0


def _cut(conditions: Conditions, num_frames: int | None) -> Conditions:
    if num_frames is None:
        return conditions
    if num_frames < 1:
        raise UsageError(f"--num_frames is {num_frames}; it must be at least 1")
    backdrop = conditions.backdrop
    if backdrop is not None:
        backdrop = Backdrop(backdrop.color[:num_frames], backdrop.mask[:num_frames])
    return Conditions(conditions.color[:num_frames], conditions.mask[:num_frames], backdrop)


def _resized(conditions: Conditions, arguments: argparse.Namespace) -> Conditions:
    height, width = conditions.mask.shape[1:]
    size = (
        width if arguments.width is None else arguments.width,
        height if arguments.height is None else arguments.height,
    )
    if size == (width, height):
        return conditions
    if min(size) < 16 or max(size) > 8192:
        raise UsageError(f"--width and --height are {size[0]}x{size[1]}; sides must be 16 to 8192")
    backdrop = conditions.backdrop
    if backdrop is not None:
        backdrop = Backdrop(*_resized_pair(backdrop.color, backdrop.mask, size))
    return Conditions(*_resized_pair(conditions.color, conditions.mask, size), backdrop)


def _resized_pair(
    color: np.ndarray, mask: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Colour and mask at another size; a pixel is masked in where most of it was."""
    known = [cv2.resize(m.astype(np.float32), size, interpolation=cv2.INTER_AREA) for m in mask]
    colors = [cv2.resize(c.astype(np.float32), size, interpolation=cv2.INTER_AREA) for c in color]
    share = np.stack(known)
    # The colours are black outside the mask: dividing by the share leaves no dark rim.
    divided = np.stack(colors) / np.maximum(share, 1e-3)[..., None]
    seen = share > 0.5
    return np.where(seen[..., None], np.clip(divided + 0.5, 0, 255), 0).astype(np.uint8), seen
