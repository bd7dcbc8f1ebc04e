"""Synthetic clips whose motion and depth are known."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ex4d.conditions.scene import Scene
from ex4d.video.writer import write_color

if TYPE_CHECKING:
    from pathlib import Path

WALL_DEPTH, BOX_DEPTH = 4.0, 2.0


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A picture uint8 [H, W, 3] with detail of every size, so that motion shows everywhere."""
    random = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3))
    for cell in (4, 12, 40):
        size = (height // cell + 2, width // cell + 2, 3)
        coarse = random.uniform(-1, 1, size).astype(np.float32)
        picture += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + 60 * picture, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class MovingClip:
    """A textured box that moves before a textured wall that moves; both by whole pixels."""

    frames: np.ndarray  # uint8 [T, H, W, 3]
    is_box: np.ndarray  # bool [T, H, W]
    wall_shift: np.ndarray  # int [T, 2], x and y, of what the wall shows, since frame 0
    box_shift: np.ndarray  # int [T, 2]

    @property
    def depth(self) -> np.ndarray:
        return np.where(self.is_box, np.float32(BOX_DEPTH), np.float32(WALL_DEPTH))

    @property
    def scene(self) -> Scene:
        n_frames, height, width = self.is_box.shape
        lens = np.array([[1.1 * width, 0, width / 2], [0, 1.1 * width, height / 2], [0, 0, 1]])
        return Scene(self.frames, self.depth, np.broadcast_to(lens, (n_frames, 3, 3)))


def moving_clip(
    n_frames: int = 9,
    size: tuple[int, int] = (96, 64),
    wall_step: tuple[int, int] = (1, 0),
    box_step: tuple[int, int] = (-2, 1),
    seed: int = 0,
) -> MovingClip:
    """The box begins a third from the top and left, and is a third of each side."""
    width, height = size
    steps = np.arange(n_frames)[:, None]
    wall_shift, box_shift = steps * wall_step, steps * box_step
    reach = n_frames * int(np.abs(wall_step).max())
    wall = texture(height + 2 * reach, width + 2 * reach, seed)
    box = texture(height // 3, width // 3, seed + 1)[..., ::-1]
    frames = np.empty((n_frames, height, width, 3), np.uint8)
    is_box = np.zeros(frames.shape[:3], np.bool_)
    y, x = np.mgrid[:height, :width]
    for t in range(n_frames):
        frames[t] = wall[y + reach - wall_shift[t, 1], x + reach - wall_shift[t, 0]]
        row, column = y - height // 3 - box_shift[t, 1], x - width // 3 - box_shift[t, 0]
        is_box[t] = (row >= 0) & (row < box.shape[0]) & (column >= 0) & (column < box.shape[1])
        frames[t, is_box[t]] = box[row[is_box[t]], column[is_box[t]]]
    return MovingClip(frames, is_box, wall_shift, box_shift)


def write_clip(folder: Path, name: str = "walk", **changes: object) -> MovingClip:
    """Write `NAME.mp4` and `NAME.npz` of a moving clip."""
    clip = moving_clip(**changes)
    folder.mkdir(parents=True, exist_ok=True)
    write_color(folder / f"{name}.mp4", clip.frames, Fraction(24))
    np.savez_compressed(folder / f"{name}.npz", depth=clip.depth)
    return clip
