"""Sequences of pictures written: PNG of 16 bits, or EXR of scene-linear half floats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ex4d.errors import UsageError
from ex4d.files.picture_names import CLIP_SUFFIXES, is_picture, pattern_of
from ex4d.pictures.colors import WRITTEN, write_colour

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["PicturePattern"]


@dataclass(frozen=True)
class PicturePattern:
    """The names of a sequence: `out.####.png`."""

    before: str
    width: int
    after: str

    @classmethod
    def of(cls, target: Path) -> PicturePattern | None:
        """The pattern that a result is called by; None when it is no picture. Raises UsageError
        for one picture, and for kinds that are not written."""
        if not is_picture(target.name, CLIP_SUFFIXES):
            return None
        if target.suffix.lower() not in WRITTEN:
            kinds = " or ".join(WRITTEN)
            raise UsageError(f"{target}: pictures are written as {kinds}, videos as .mp4 or .mov")
        pattern = pattern_of(target.name)
        if pattern is None:
            raise UsageError(
                f"{target} is the name of one picture: mark the place of the frame number, as in "
                f"{target.stem}.####{target.suffix}"
            )
        return cls(*pattern)

    def name(self, number: int) -> str:
        """What a frame's file is called."""
        return f"{self.before}{number:0{self.width}d}{self.after}"

    def names(self, first_number: int, count: int) -> list[str]:
        """What the files of so many frames are called."""
        return [self.name(first_number + index) for index in range(count)]

    def others_in(self, folder: Path, names: Iterable[str]) -> list[str]:
        """Files in a folder that would be taken for frames of this sequence, less `names`."""
        wanted, found = set(names), []
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            digits = path.name[len(self.before) : len(path.name) - len(self.after)]
            if path.name == f"{self.before}{digits}{self.after}" and path.name not in wanted:
                found += [path.name] if digits.removeprefix("-").isdecimal() else []
        return found

    def write(
        self,
        folder: Path,
        pictures: Iterable[NDArray[np.uint8]],  # [H, W, 3] each, sRGB
        first_number: int,
    ) -> None:
        """Write the pictures into a folder. Raises OutputError."""
        for number, picture in enumerate(pictures, start=first_number):
            write_colour(folder / self.name(number), picture)
