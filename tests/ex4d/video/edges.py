"""Pictures of one coloured edge, and YUV made of them by formula: chroma sampled where it lies."""

from __future__ import annotations

import av
import numpy as np

SITES = {  # of the first chroma sample, in pixels from the centre of the first pixel: x, y
    "left": (0, 0.5),
    "center": (0.5, 0.5),
    "topleft": (0, 0),
    "top": (0.5, 0),
    "bottomleft": (0, 1),
    "bottom": (0.5, 1),
}
_WEIGHTS = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
    "fcc": (0.30, 0.11),
    "smpte240m": (0.212, 0.087),
}
_WIDE = 1.5  # pixels: soft enough for samples of every second pixel to keep it


def edge(place: float, at: np.ndarray) -> np.ndarray:
    """0..1 for pixels whose centres lie at `at`; one half at `place`."""
    return 1 / (1 + np.exp((place - at) / _WIDE))


def colors(share: np.ndarray) -> np.ndarray:
    """[..., 3], 0..255: from red to green."""
    red, green = np.array([220.0, 30, 30]), np.array([30.0, 220, 30])
    return red + share[..., None] * (green - red)


def edge_picture(place: float, axis: int, size: tuple[int, int] = (128, 96)) -> np.ndarray:
    """A picture [H, W, 3] whose edge lies at `place`; `axis` 1: it moves along x, 0: along y."""
    rows, columns = np.mgrid[: size[1], : size[0]] + 0.5
    return np.rint(colors(edge(place, columns if axis else rows))).astype(np.uint8)


def crossing(picture: np.ndarray, axis: int) -> float:
    """Where red and green are equal."""
    line = picture.astype(float).mean(1 - axis)
    excess = line[:, 0] - line[:, 1]
    last = int(np.flatnonzero((excess[:-1] > 0) & (excess[1:] <= 0))[0])
    return last + 0.5 + excess[last] / (excess[last] - excess[last + 1])


def yuv(rgb: np.ndarray, matrix: str, *, is_full: bool, bits: int = 8) -> np.ndarray:
    """Code values [3, ...] of colours [..., 3] (0..255), by the formula of the standards; not
    rounded."""
    red, green, blue = np.moveaxis(rgb / 255, -1, 0)
    weight_red, weight_blue = _WEIGHTS[matrix]
    luma = weight_red * red + (1 - weight_red - weight_blue) * green + weight_blue * blue
    chroma = [(blue - luma) / (2 - 2 * weight_blue), (red - luma) / (2 - 2 * weight_red)]
    black, white, reach, middle = _levels(is_full=is_full, bits=bits)
    return np.stack([(white - black) * luma + black, *(reach * c + middle for c in chroma)])


def rgb_of(codes: np.ndarray, matrix: str, *, is_full: bool, bits: int = 8) -> np.ndarray:
    """The other way: colours [..., 3], 0..255, of code values [3, ...]."""
    black, white, reach, middle = _levels(is_full=is_full, bits=bits)
    luma = (codes[0] - black) / (white - black)
    to_blue, to_red = ((plane - middle) / reach for plane in codes[1:])
    weight_red, weight_blue = _WEIGHTS[matrix]
    red = luma + (2 - 2 * weight_red) * to_red
    blue = luma + (2 - 2 * weight_blue) * to_blue
    green = (luma - weight_red * red - weight_blue * blue) / (1 - weight_red - weight_blue)
    return 255 * np.stack([red, green, blue], axis=-1).clip(0, 1)


def _levels(*, is_full: bool, bits: int) -> tuple[float, float, float, float]:
    """Codes of black and white, and the reach and the middle of chroma."""
    unit = 1 << (bits - 8)
    if is_full:
        most = (1 << bits) - 1
        return 0, most, most, 128 * unit
    return 16 * unit, 235 * unit, 224 * unit, 128 * unit


def to_frame(
    picture: np.ndarray,  # [H, W, 3], 0..255
    pixel_format: str,
    site: str = "left",
    *,
    matrix: str = "bt601",
    is_full: bool = False,
) -> av.VideoFrame:
    """`picture` as YUV with chroma at `site`: the mean of the pixels around each sample."""
    frame = av.VideoFrame(picture.shape[1], picture.shape[0], pixel_format)
    bits = 10 if "10" in pixel_format else 8
    planes = list(yuv(picture, matrix, is_full=is_full, bits=bits))
    right, down = SITES[site]
    for number in (1, 2):
        if "444" not in pixel_format:
            planes[number] = _sampled(planes[number], 1, right)
        if "420" in pixel_format:
            planes[number] = _sampled(planes[number], 0, down)
    dtype = np.uint8 if bits == 8 else np.uint16
    for plane, values in zip(frame.planes, planes, strict=True):
        padded = np.zeros((plane.height, plane.line_size // np.dtype(dtype).itemsize), dtype)
        padded[:, : values.shape[1]] = np.rint(values).clip(0, (1 << bits) - 1)
        plane.update(padded.tobytes())
    return frame


def _sampled(plane: np.ndarray, axis: int, offset: float) -> np.ndarray:
    """Every second place along `axis`, from `offset` pixels on: 1-2-1 on a pixel, 1-1 between."""
    moved = np.pad(np.moveaxis(plane, axis, 0), ((2, 3), (0, 0)), "edge")
    first = 2 + int(offset)
    n_samples = (plane.shape[axis] + 1) // 2
    taps = ((0, 0.5), (1, 0.5)) if offset % 1 else ((-1, 0.25), (0, 0.5), (1, 0.25))
    sums = sum(weight * moved[first + tap :: 2][:n_samples] for tap, weight in taps)
    return np.moveaxis(np.asarray(sums), 0, axis)
