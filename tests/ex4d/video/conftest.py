"""Video files made with FFmpeg as other programs make them, not with the writers under test."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

SHARED_CLIPS = Path(__file__).parents[4] / "shared" / "clips"


def numbered_frames(n_frames: int, *, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """Plain grey frames; frame i has the level 2 * i, so that a frame tells its number."""
    levels = 2 * np.arange(n_frames, dtype=np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (n_frames, size[1], size[0], 3)).copy()


@pytest.fixture
def numbered():
    return numbered_frames


@pytest.fixture
def make_video(tmp_path: Path):
    """A function that encodes frames to `tmp_path / name`. `properties` are set on the stream."""

    def make(
        name: str = "clip.mp4",
        frames: Any = None,  # rgb24 arrays, or ready VideoFrames
        codec: str = "libx264",
        pixel_format: str = "yuv444p",
        times: list[int] | None = None,  # in 1/600 s
        **properties: Any,
    ) -> Path:
        frames = numbered_frames(10) if frames is None else frames
        frames = [f if isinstance(f, av.VideoFrame) else to_frame(f, pixel_format) for f in frames]
        options = properties.pop("options", {"qp": "0"} if codec == "libx264" else {})
        with av.open(str(tmp_path / name), "w") as container:
            rate = properties.pop("rate", 30)
            stream = container.add_stream(codec, rate=rate, options=options)
            stream.pix_fmt = pixel_format
            stream.width, stream.height = frames[0].width, frames[0].height
            for key, value in properties.items():
                setattr(stream, key, value)
            if times:
                stream.codec_context.time_base = Fraction(1, 600)
            for index, frame in enumerate(frames):
                if times:
                    frame.pts, frame.time_base = times[index], Fraction(1, 600)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return tmp_path / name

    return make


def to_frame(picture: np.ndarray, pixel_format: str) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(picture, format="rgba" if picture.shape[2] == 4 else "rgb24")
    if pixel_format in ("rgb24", "rgba"):
        return frame.reformat(format=pixel_format)
    return frame.reformat(
        format=pixel_format, dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.MPEG
    )


@pytest.fixture
def shared_clip():
    """A function that finds one of the sample clips, or skips the test."""

    def find(name: str) -> Path:
        path = SHARED_CLIPS / name
        if not path.exists():
            pytest.skip(f"the sample clip {name} is not here")
        return path

    return find


@pytest.fixture
def psnr():
    """A function: the PSNR in dB of each frame of one [T, H, W, 3] against the other's."""

    def measure(frames: np.ndarray, reference: np.ndarray) -> np.ndarray:
        error = (frames.astype(np.float64) - reference) ** 2
        return 10 * np.log10(255**2 / np.maximum(error.mean((1, 2, 3)), 1e-9))

    return measure
