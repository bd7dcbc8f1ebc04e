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
_WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
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


def yuv(rgb: np.ndarray, matrix: str, *, is_full: bool) -> np.ndarray:
    """Code values [3, ...] of colours [..., 3] (0..255), by the formula of the standards."""
    red, green, blue = np.moveaxis(rgb / 255, -1, 0)
    weight_red, weight_blue = _WEIGHTS[matrix]
    luma = weight_red * red + (1 - weight_red - weight_blue) * green + weight_blue * blue
    chroma = [(blue - luma) / (2 - 2 * weight_blue), (red - luma) / (2 - 2 * weight_red)]
    planes = [255 * luma, *(255 * c + 128 for c in chroma)]
    if not is_full:
        planes = [219 * luma + 16, *(224 * c + 128 for c in chroma)]
    return np.rint(np.stack(planes)).clip(0, 255).astype(np.uint8)


def to_yuv420(
    picture: np.ndarray, site: str, *, matrix: str = "bt601", is_full: bool = False
) -> av.VideoFrame:
    """`picture` [H, W, 3] with chroma at `site`: the mean of the pixels around each sample."""
    planes = yuv(picture, matrix, is_full=is_full).astype(float)
    right, down = SITES[site]
    chroma = [_sampled(_sampled(plane, 1, right), 0, down) for plane in planes[1:]]
    frame = av.VideoFrame(picture.shape[1], picture.shape[0], "yuvj420p" if is_full else "yuv420p")
    for plane, values in zip(frame.planes, [planes[0], *chroma], strict=True):
        padded = np.zeros((plane.height, plane.line_size), np.uint8)
        padded[:, : values.shape[1]] = np.rint(values)
        plane.update(padded.tobytes())
    return frame


def _sampled(plane: np.ndarray, axis: int, offset: float) -> np.ndarray:
    """Every second place along `axis`, from `offset` pixels on: 1-2-1 on a pixel, 1-1 between."""
    moved = np.moveaxis(np.pad(plane, 2, "edge"), axis, 0)
    first = 2 + int(offset)
    n_samples = plane.shape[axis] // 2
    taps = ((0, 0.5), (1, 0.5)) if offset % 1 else ((-1, 0.25), (0, 0.5), (1, 0.25))
    sums = sum(weight * moved[first + tap :: 2][:n_samples] for tap, weight in taps)
    inner = np.moveaxis(np.asarray(sums), 0, axis)
    return inner[2:-2] if axis == 1 else inner[:, 2:-2]
