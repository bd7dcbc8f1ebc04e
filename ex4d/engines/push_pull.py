"""Unknown pixels filled smoothly from the known ones around them, in space and a little in time.

Push-pull (Gortler et al., "The Lumigraph", 1996, section 3.4.1): known colours are averaged level
by level until no pixel is unknown, and flow back down into the unknown ones. What fills wide gaps,
at the coarse levels, is averaged over neighbouring frames too, so that fills do not flicker.
"""

from __future__ import annotations

import numpy as np

from ex4d.runtime.jit import kernel

__all__ = ["ClipFiller"]

_COARSE_LEVEL = 3  # this level and those above it, 1/8 of the size and less, are steadied in time
_STEADY_FRAMES = 3.0  # standard deviation of the average over time
_REACH_FRAMES = 16  # farther frames would weigh less than _NOTHING
_NOTHING = 1e-6  # less weight than this is no weight: its inverse would overflow


@kernel
def _shrink(color, weight, small_color, small_weight):
    """Average 2x2 blocks of color float32 [H, W, 3] by weight [H, W]; a weight is at most 1."""
    height, width = weight.shape
    for row in range(small_weight.shape[0]):
        for column in range(small_weight.shape[1]):
            total = np.float32(0)
            red, green, blue = np.float32(0), np.float32(0), np.float32(0)
            for i in range(2 * row, min(2 * row + 2, height)):
                for j in range(2 * column, min(2 * column + 2, width)):
                    w = weight[i, j]
                    total += w
                    red += w * color[i, j, 0]
                    green += w * color[i, j, 1]
                    blue += w * color[i, j, 2]
            scale = np.float32(1) / total if total > _NOTHING else np.float32(0)
            small_color[row, column, 0] = red * scale
            small_color[row, column, 1] = green * scale
            small_color[row, column, 2] = blue * scale
            small_weight[row, column] = min(total, np.float32(1))


@kernel
def _grow(small, color, weight):
    """Blend `small`, bilinearly enlarged, into color float32 [H, W, 3] where weight is below 1."""
    height, width = weight.shape
    for row in range(height):
        y = min(max(row * 0.5 - 0.25, 0.0), small.shape[0] - 1.0)
        y0 = int(y)
        y1 = min(y0 + 1, small.shape[0] - 1)
        wy = np.float32(y - y0)
        for column in range(width):
            own = weight[row, column]
            if own >= 1:
                continue
            x = min(max(column * 0.5 - 0.25, 0.0), small.shape[1] - 1.0)
            x0 = int(x)
            x1 = min(x0 + 1, small.shape[1] - 1)
            wx = np.float32(x - x0)
            for k in range(3):
                upper = small[y0, x0, k] + wx * (small[y0, x1, k] - small[y0, x0, k])
                lower = small[y1, x0, k] + wx * (small[y1, x1, k] - small[y1, x0, k])
                value = upper + wy * (lower - upper)
                color[row, column, k] = own * color[row, column, k] + (1 - own) * value


_Level = tuple[np.ndarray, np.ndarray]  # color float32 [h, w, 3], weight float32 [h, w]


def _smaller(level: _Level) -> _Level:
    height, width = (level[1].shape[0] + 1) // 2, (level[1].shape[1] + 1) // 2
    small = np.empty((height, width, 3), np.float32), np.empty((height, width), np.float32)
    _shrink(*level, *small)
    return small


def _levels(color: np.ndarray, known: np.ndarray, count: int) -> list[_Level]:
    levels = [(color.astype(np.float32), known.astype(np.float32))]
    while len(levels) < count and max(levels[-1][1].shape) > 1:
        levels.append(_smaller(levels[-1]))
    return levels


def _pull(levels: list[_Level]) -> np.ndarray:
    """Fill every level from the next coarser one; the coarsest is complete. Returns the finest."""
    for (color, weight), (small, _) in zip(levels[-2::-1], levels[:0:-1], strict=True):
        _grow(small, color, weight)
    return levels[0][0]


def _completed(level: _Level, otherwise: np.ndarray) -> np.ndarray:
    """Fill a level from its own known pixels, or with a colour [3] where it has none at all."""
    levels = [(level[0].copy(), level[1])]
    while max(levels[-1][1].shape) > 1:
        levels.append(_smaller(levels[-1]))
    top_color, top_weight = levels[-1]
    top_color += (1 - top_weight[..., None]) * (otherwise - top_color).astype(np.float32)
    return _pull(levels)


class ClipFiller:
    """Fills the unknown pixels of the frames of one clip. Holds 1/64 of its pixels."""

    def __init__(self, n_frames: int) -> None:
        self._coarse: list[_Level | None] = [None] * n_frames

    def add(self, frame: int, color: np.ndarray, known: np.ndarray) -> None:
        """Take in a frame: color uint8 [H, W, 3], known bool [H, W]. All first, in any order."""
        self._coarse[frame] = _levels(color, known, _COARSE_LEVEL + 1)[-1]

    def steady(self) -> None:
        """Complete the coarse levels over space, then over time; once, when every frame is in.

        Only what was filled is averaged over time: where another frame sees something, it is
        another thing as soon as the camera moves.
        """
        coarse = [level for level in self._coarse if level is not None]
        color = np.stack([level[0] for level in coarse])
        weight = np.stack([level[1] for level in coarse])
        mean = np.average(color.reshape(-1, 3), axis=0, weights=weight.ravel() + 1e-9)
        filled = np.stack([_completed(level, mean) for level in coarse])
        sees_any = weight.max(axis=(1, 2)) > _NOTHING
        unseen = (1 - weight) * sees_any[:, None, None]
        steps = np.arange(len(coarse))
        for frame in range(len(coarse)):
            near = slice(max(0, frame - _REACH_FRAMES), frame + _REACH_FRAMES + 1)
            share = np.exp(-0.5 * ((steps[near] - frame) / _STEADY_FRAMES) ** 2)
            shared = share.astype(np.float32)[:, None, None] * unseen[near]
            total = shared.sum(axis=0)[..., None]
            average = np.einsum("tij,tijc->ijc", shared, filled[near]) / np.maximum(total, _NOTHING)
            average = np.where(total > _NOTHING, average, filled[frame])
            own = weight[frame][..., None]
            level = (own * color[frame] + (1 - own) * average).astype(np.float32)
            self._coarse[frame] = level, np.ones_like(weight[frame])

    def fill(self, frame: int, color: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Return a frame uint8 [H, W, 3] with its unknown pixels filled; after `steady`."""
        coarse = self._coarse[frame]
        if coarse is None:
            raise ValueError(f"frame {frame} was not added")
        levels = _levels(color, known, _COARSE_LEVEL + 1)
        filled = _pull([*levels[:-1], coarse] if len(levels) > 1 else levels)
        result = np.clip(filled + 0.5, 0, 255).astype(np.uint8)
        result[known] = color[known]
        return result
