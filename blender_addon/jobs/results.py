"""The files that a finished job sends, read and checked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MovieError, ReconstructionError, SettingsError
from ..words import panel_words, sentence_of
from .npz_files import read_arrays
from .reconstruction import Reconstruction

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ReceivedReconstruction", "Summary", "read_reconstruction", "read_summary"]

_NEEDED = (
    *("disparity", "disparity_min", "disparity_max", "intrinsics", "border_depth", "holes"),
    *("fps_numerator", "fps_denominator", "source_frames"),
)
_LARGEST_BYTES = 1 << 37  # unpacked; 4096 frames of 4K have less


@dataclass(frozen=True)
class ReceivedReconstruction:
    """What the mesh is made of, and which frames of the clip it shows."""

    reconstruction: Reconstruction
    movie_start: int  # frame of the file that comes first
    movie_stride: int
    notes: tuple[str, ...] = ()  # sentences: what was assumed of the clip and done to its pictures


def read_reconstruction(path: Path) -> ReceivedReconstruction:
    """Read `reconstruction.npz` (its format: backend/worker/reconstruction.py). Raises
    ReconstructionError for what is no such file, or does not fit together."""
    try:
        names = (*_NEEDED, "notes")
        arrays = read_arrays(
            path, names, what="reconstruction", most_bytes=_LARGEST_BYTES, needed=_NEEDED
        )
        width = int(arrays["disparity"].shape[2])
        holes = np.unpackbits(arrays["holes"], axis=2, count=width).astype(np.bool_)
        fps = Fraction(int(arrays["fps_numerator"]), int(arrays["fps_denominator"]))
        frames = np.asarray(arrays["source_frames"], np.int64)
        notes = arrays["notes"].tobytes().decode() if "notes" in arrays else ""
        reconstruction = Reconstruction(
            arrays["disparity"],
            float(arrays["disparity_min"]),
            float(arrays["disparity_max"]),
            arrays["intrinsics"],
            float(arrays["border_depth"]),
            holes,
            fps,
        )
    except SettingsError as error:
        raise ReconstructionError(str(error)) from error
    except (ValueError, IndexError, TypeError, ZeroDivisionError) as error:
        raise ReconstructionError(f"{path} is no reconstruction: {sentence_of(error)}") from error
    steps = np.unique(np.diff(frames))
    if len(frames) != reconstruction.n_frames or len(steps) > 1 or (steps < 1).any():
        raise ReconstructionError(f"{path} shows frames of the clip that are not evenly spaced.")
    return ReceivedReconstruction(
        reconstruction,
        int(frames[0]),
        int(steps[0]) if len(steps) else 1,
        tuple(map(panel_words, notes.splitlines())),
    )


@dataclass(frozen=True)
class Summary:
    """What the server tells of a finished clip."""

    n_frames: int
    size: tuple[int, int]  # (W, H)
    engine: str
    seed: int
    coverage: float  # mean share of the picture that the source's pixels cover, 0 to 1
    notes: tuple[str, ...] = ()  # as a reconstruction's


def read_summary(path: Path) -> Summary:
    """Read `summary.json` of a shot. Raises MovieError when it is damaged."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Summary(
            int(values["n_frames"]),
            (int(values["width"]), int(values["height"])),
            str(values["engine"]),
            int(values["seed"]),
            float(np.mean(values["coverage"])),
            tuple(panel_words(str(note)) for note in values.get("notes", ())),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MovieError(f"{path} is damaged: {sentence_of(error)}") from error
