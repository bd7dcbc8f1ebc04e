"""A clip that is one picture for each frame: which files it has, by the commands' own rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...ex4d.files.picture_names import (
    CLIP_SUFFIXES,
    PictureNamesError,
    find_numbered,
    is_picture,
    pattern_for,
)
from ..errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ClipPictures", "clip_pictures"]


@dataclass(frozen=True)
class ClipPictures:
    """The pictures of a clip in the order of their frames."""

    first_number: int  # what the first is called; they rise by 1
    paths: tuple[Path, ...]

    @property
    def pattern(self) -> str:
        """What they are called together: plate.####.exr."""
        return pattern_for(self.paths[0].name, self.first_number)

    @property
    def stem(self) -> str:
        """The pattern's words before its number, or its folder's name where there are none."""
        words = self.pattern.partition("#")[0].rstrip("._- ")
        return words or self.paths[0].parent.name or "clip"

    def chosen(self, start: int, stride: int, count: int) -> tuple[Path, ...]:
        """The pictures of a clip's frames: from the one in place `start` on, at most `count`."""
        return self.paths[start::stride][:count]


def clip_pictures(path: Path) -> ClipPictures | None:
    """The pictures that a path means: one of them, their folder, or a pattern; None for a movie.
    Raises SettingsError for names that make no sequence, as one with a gap."""
    if not path.is_dir() and not is_picture(path.name, CLIP_SUFFIXES):
        return None
    try:
        numbered = find_numbered(path, CLIP_SUFFIXES)
    except PictureNamesError as error:
        raise SettingsError(f"The clip's pictures: {error}.") from None
    except OSError as error:
        raise SettingsError(f"The clip's pictures cannot be read: {error.strerror}.") from None
    if not numbered:
        return None
    return ClipPictures(numbered[0][0], tuple(picture for _, picture in numbered))
