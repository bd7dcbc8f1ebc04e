"""DPX pictures, as film scanners write them."""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np

from ex4d.pictures.claims import PictureError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["dpx_rate", "read_dpx"]

_TRANSFER = 801  # where the header tells the first element's curve
_CURVES = {1: "printing density", 2: "linear", 3: "logarithmic"}
_RATES = (1724, 1940)  # of film, of television
_RGB = ("rgb", "bgr", "gbr", "gray", "argb", "abgr")


def read_dpx(path: Path, data: np.ndarray) -> tuple[np.ndarray, str]:
    """The code values uint16 [H, W, 3] of a DPX file, stretched to all 16 bits, and a sentence
    where they are not simply shown. Raises PictureError."""
    try:
        decoder = av.codec.CodecContext.create("dpx", "r")
        frame = next(iter([*decoder.decode(av.Packet(data.tobytes())), *decoder.decode(None)]))
    except MemoryError:
        raise
    except (av.FFmpegError, StopIteration, ValueError) as error:
        raise PictureError(
            f"{path} is not a DPX picture that can be read: it is damaged, or of a rare kind"
        ) from error
    if not frame.format.name.startswith(_RGB):
        raise PictureError(f"{path} holds {frame.format.name}; of DPX only RGB and grey are read")
    curve = _CURVES.get(int(data[_TRANSFER]))
    said = f"{curve} code values, which are kept as they are" if curve else ""
    return np.asarray(frame.to_ndarray(format="rgb48le")), said


def dpx_rate(data: np.ndarray) -> Fraction | None:
    """The frame rate that a DPX header tells; None where it tells none."""
    order = ">" if data[:4].tobytes() == b"SDPX" else "<"
    for at in _RATES:
        if len(data) >= at + 4:
            (rate,) = struct.unpack(order + "f", data[at : at + 4].tobytes())
            if math.isfinite(rate) and 1 <= rate <= 1000:
                return Fraction(rate).limit_denominator(1001)
    return None
