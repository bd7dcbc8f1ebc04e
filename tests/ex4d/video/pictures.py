"""The same pictures as sequences of every kind, and as a lossless movie."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
import OpenEXR
import tifffile

from ex4d.video.writer import read_color

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "KINDS",
    "linear",
    "write_dpx",
    "write_exr",
    "write_movie",
    "write_sample",
    "write_sequence",
]

SAMPLE = Path(__file__).parents[3] / "examples" / "shot"

FIRST = 1001


def linear(frames: np.ndarray) -> np.ndarray:
    """The scene-linear values of sRGB codes."""
    code = frames / 255
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def write_exr(path: Path, channels: dict[str, np.ndarray], **header: object) -> None:
    """Channels as an EXR file."""
    kind = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **header}
    OpenEXR.File(kind, channels).write(str(path))


def write_dpx(path: Path, frame: np.ndarray) -> None:
    """A picture as a DPX file of 16 bits, by FFmpeg."""
    coder = av.codec.CodecContext.create("dpx", "w")
    coder.height, coder.width, coder.pix_fmt = *frame.shape[:2], "rgb48be"
    coder.time_base = Fraction(1, 24)
    wide = av.VideoFrame.from_ndarray(frame.astype(np.uint16) * 257, format="rgb48le")
    made = wide.reformat(format="rgb48be")
    made.pts = 0
    path.write_bytes(bytes((coder.encode(made) + coder.encode(None))[0]))


def _png(path: Path, frame: np.ndarray) -> None:
    cv2.imwrite(str(path), frame[..., ::-1])


def _png16(path: Path, frame: np.ndarray) -> None:
    _png(path, frame.astype(np.uint16) * 257)


def _tiff16(path: Path, frame: np.ndarray) -> None:
    tifffile.imwrite(path, frame.astype(np.uint16) * 257, photometric="rgb")


def _tiff_planes(path: Path, frame: np.ndarray) -> None:
    planes = np.moveaxis(frame, -1, 0)
    tifffile.imwrite(path, planes, photometric="rgb", planarconfig="separate")


def _tiff_lzw(path: Path, frame: np.ndarray) -> None:
    wide = frame[..., ::-1].astype(np.uint16) * 257
    cv2.imwrite(str(path), wide, [cv2.IMWRITE_TIFF_COMPRESSION, 5])


def _tiff_float(path: Path, frame: np.ndarray) -> None:
    tifffile.imwrite(path, linear(frame).astype(np.float32), photometric="rgb", compression="zlib")


def _exr_half(path: Path, frame: np.ndarray) -> None:
    write_exr(path, {"RGB": linear(frame).astype(np.float16)})


def _exr_float(path: Path, frame: np.ndarray) -> None:
    red, green, blue = np.moveaxis(linear(frame).astype(np.float32), -1, 0).copy()
    write_exr(path, {"R": red, "G": green, "B": blue, "A": np.ones_like(red)})


KINDS = {  # that hold all 8 bits of their pictures
    "png": (".png", _png),
    "png 16": (".png", _png16),
    "tiff": (".tif", lambda path, frame: tifffile.imwrite(path, frame, photometric="rgb")),
    "tiff 16": (".tiff", _tiff16),
    "tiff planes": (".tif", _tiff_planes),
    "tiff lzw": (".tif", _tiff_lzw),
    "tiff float": (".tif", _tiff_float),
    "exr half": (".exr", _exr_half),
    "exr float": (".exr", _exr_float),
    "dpx": (".dpx", write_dpx),
}


def write_sequence(folder: Path, frames: np.ndarray, kind: str, first: int = FIRST) -> Path:
    """Write `plate.1001.png`, ... into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    suffix, write = KINDS[kind]
    for number, frame in enumerate(frames, start=first):
        write(folder / f"plate.{number:04d}{suffix}", frame)
    return folder


def write_movie(path: Path, frames: np.ndarray, fps: Fraction = Fraction(24)) -> Path:
    """A lossless movie of the same pictures."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=fps)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "rgb24"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def write_sample(folder: Path, kinds: Iterable[str], n_frames: int) -> Path:
    """The sample shot's first frames as sequences from 1001, as `movie.mov` without loss, and their
    `depth.npz`. Returns the folder."""
    frames = read_color(SAMPLE / "input.mp4")[0][:n_frames]
    for kind in kinds:
        write_sequence(folder / kind, frames, kind)
    write_movie(folder / "movie.mov", frames)
    with np.load(SAMPLE / "depth.npz") as arrays:
        np.savez(folder / "depth.npz", **{**arrays, "depth": arrays["depth"][:n_frames]})
    return folder
