"""What the program ffmpeg makes of a video file: a second opinion on frames, times and colours."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Ffmpeg", "find_ffmpeg"]

_EXACT = "flags=accurate_rnd+full_chroma_int+full_chroma_inp+bicubic"
_ONE = ("-fps_mode", "passthrough")


@dataclass(frozen=True)
class Ffmpeg:
    """An ffmpeg that can be started. All decode every frame once: none repeated, none left out."""

    program: str
    has_zscale: bool  # zimg's scaler, which knows where chroma lies as swscale does not

    def pictures(self, path: Path, size: tuple[int, int], matrix: str | None) -> np.ndarray:
        """Pictures uint8 [T, H, W, 3] of `size` (W, H), upright, by the file's own tags, or by a
        matrix, as swscale calls it."""
        scale = f"scale={_EXACT}" + (f":in_color_matrix={matrix}" if matrix else "")
        return self._decoded(path, size, "-vf", scale, "-pix_fmt", "rgb24")

    def sited(self, path: Path, size: tuple[int, int], matrix: str) -> np.ndarray:
        """Pictures as they are stored, not turned, with chroma where the file says; `matrix` is one
        of zscale's. Sizes must be even."""
        filters = f"zscale=matrixin={matrix}:matrix=gbr:range=full:dither=none,format=gbrp,"
        return self._decoded(path, size, "-vf", filters + "format=rgb24", turns=False)

    def times(self, path: Path) -> list[Fraction]:
        """When each frame is shown, seconds from the first one on."""
        told = self._run(path, *_ONE, "-enc_time_base", "demux", "-f", "framecrc", "-").stdout
        lines = told.decode().splitlines()
        (base,) = (Fraction(line.split()[2]) for line in lines if line.startswith("#tb 0:"))
        shown = [int(line.split(",")[2]) for line in lines if line and line[0] != "#"]
        return [(time - shown[0]) * base for time in shown]

    def _decoded(
        self, path: Path, size: tuple[int, int], *options: str, turns: bool = True
    ) -> np.ndarray:
        run = self._run(path, *_ONE, *options, "-f", "rawvideo", "-", turns=turns)
        return np.frombuffer(run.stdout, np.uint8).reshape(-1, size[1], size[0], 3)

    def _run(
        self, path: Path, *options: str, turns: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        begin = [self.program, "-v", "error", "-nostdin", *(() if turns else ("-noautorotate",))]
        command = [*begin, "-i", str(path), "-map", "0:v:0", *options]
        run = subprocess.run(command, capture_output=True, timeout=60, check=False)
        assert run.returncode == 0, run.stderr.decode()
        return run


@cache
def find_ffmpeg() -> Ffmpeg | None:
    """The system's, else the one that pip's imageio-ffmpeg brings; None where there is neither."""
    program = shutil.which("ffmpeg")
    if program is None:
        try:
            import imageio_ffmpeg

            program = imageio_ffmpeg.get_ffmpeg_exe()
        except (ImportError, RuntimeError):
            return None
    run = subprocess.run([program, "-filters"], capture_output=True, text=True, timeout=60)
    return Ffmpeg(program, " zscale " in run.stdout)
