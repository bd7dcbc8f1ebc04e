"""What Blender can read of a movie file. A broken one raises nothing there; here it does."""

from __future__ import annotations

import os.path
from dataclasses import dataclass
from typing import TYPE_CHECKING

import bpy

from ...ex4d.containers.frame_count import count_frames
from ..errors import MovieError, SettingsError
from ..jobs.depth_pictures import depth_files
from ..jobs.npz_files import array_shape
from .movie_turn import shown_size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Movie", "load_movie", "load_pictures", "measure_depth", "movie_rate"]


@dataclass(frozen=True)
class Movie:
    """The measures of a movie, or of a sequence of pictures."""

    size: tuple[int, int]  # (W, H), as it is shown
    n_frames: int


def load_pictures(paths: Sequence[Path]) -> Movie:
    """Measure a sequence by its first picture. Raises MovieError when it cannot be decoded."""
    first = paths[0]
    try:
        image = bpy.data.images.load(str(first), check_existing=False)
    except RuntimeError as error:
        raise MovieError(f"{first} is not a picture that Blender can read.") from error
    try:
        size = int(image.size[0]), int(image.size[1])
    finally:
        bpy.data.images.remove(image)
    if min(size) < 1:
        raise MovieError(f"{first} is damaged or no picture: Blender sees nothing in it.")
    return Movie(size, len(paths))


def movie_rate(path: Path) -> float:
    """Frames a second as Blender reads them; 0 where it cannot tell."""
    try:
        clip = bpy.data.movieclips.load(str(path), check_existing=False)
    except RuntimeError:
        return 0.0
    try:
        return float(clip.fps)
    finally:
        bpy.data.movieclips.remove(clip)


def load_movie(path: Path) -> Movie:
    """Measure a movie file. Raises MovieError when it is missing, empty or cannot be decoded."""
    if not os.path.isfile(path):  # never raises
        raise MovieError(f"There is no movie at {path}.")
    if not path.stat().st_size:
        raise MovieError(f"The movie {path} is empty.")
    try:
        image = bpy.data.images.load(str(path), check_existing=False)
    except RuntimeError as error:
        raise MovieError(f"{path} is not a movie that Blender can read.") from error
    try:
        size, n_frames = (int(image.size[0]), int(image.size[1])), int(image.frame_duration)
        is_movie = image.source == "MOVIE"
    finally:
        bpy.data.images.remove(image)
    if not is_movie or min(size) < 1 or n_frames < 1:
        raise MovieError(f"{path} is damaged or no movie: Blender sees no picture in it.")
    # Blender's number is the file's length at its rate
    return Movie(shown_size(path, size), count_frames(path) or n_frames)


def measure_depth(path: Path) -> tuple[tuple[int, int], int]:
    """Size (W, H) and frames of the depth that was chosen; zeros where they cannot be told."""
    if path.suffix.lower() == ".npz":
        shape = array_shape(path, "depth")
        return ((shape[2], shape[1]), shape[0]) if len(shape) == 3 else ((0, 0), 0)
    try:
        files = depth_files(path)
        return load_pictures(files).size, len(files)
    except (MovieError, SettingsError, OSError):
        return (0, 0), 0
