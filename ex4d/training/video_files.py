"""The videos of a dataset in their folder.

A subfolder with pictures and without videos is one clip, a picture for each frame.
"""

from __future__ import annotations

import os
from pathlib import Path

from ex4d.errors import InputError
from ex4d.files.picture_names import CLIP_SUFFIXES, is_picture

__all__ = ["find_videos", "videos_of_stem"]

_SUFFIXES = (
    ".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
    ".mts", ".ogv", ".ts", ".webm", ".wmv",
)  # fmt: skip


def find_videos(input_dir: Path, dataset: Path) -> list[str]:
    """The videos in a folder and its subfolders, and the subfolders that are sequences of pictures,
    relative to it, sorted. Hidden ones and those of the dataset itself are left out. Raises
    InputError when there are none."""
    if not input_dir.is_dir():
        raise InputError(f"there is no folder {input_dir}")
    own = dataset.resolve()
    found = []
    for folder, folders, files in os.walk(input_dir):
        folders[:] = [
            name for name in folders if name[0] != "." and Path(folder, name).resolve() != own
        ]
        paths = [Path(folder, name) for name in files if name[0] != "."]
        videos = [path for path in paths if path.suffix.lower() in _SUFFIXES]
        pictures = [path for path in paths if is_picture(path.name, CLIP_SUFFIXES)]
        if pictures and not videos and Path(folder) != input_dir:
            videos = [Path(folder)]
        found += [path.relative_to(input_dir).as_posix() for path in videos]
    if not found:
        raise InputError(
            f"there are no videos in {input_dir}: no {', '.join(_SUFFIXES)}, and no subfolder with "
            f"pictures: {', '.join(CLIP_SUFFIXES)}"
        )
    return sorted(found)


def videos_of_stem(input_dir: Path, source: str) -> list[str]:
    """The names of all videos beside `source`, itself too, that differ from it by the suffix."""
    video = input_dir / source
    beside = video.parent.iterdir() if video.parent.is_dir() else ()
    return sorted(
        path.name for path in beside if path.stem == video.stem and path.suffix.lower() in _SUFFIXES
    )
