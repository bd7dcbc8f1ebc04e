"""Small synthetic scenes."""

import numpy as np
import pytest

from ex4d.conditions.scene import Scene


def intrinsics_of(width, height, focal=1.1):
    return np.array([[focal * width, 0, width / 2], [0, focal * width, height / 2], [0, 0, 1.0]])


def texture(height, width, seed=0, lowest=40):
    """A smooth picture without any black."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [
        128 + 70 * np.sin(x * random.uniform(0.1, 0.4) + y * random.uniform(-0.3, 0.3))
        for _ in range(3)
    ]
    return np.clip(np.stack(waves, axis=-1), lowest, 255).astype(np.uint8)


@pytest.fixture
def moving_square():
    """A red square at depth 2 moves to the right before a textured wall at depth 4."""

    def make(n_frames=8, height=64, width=96, step=6):
        wall = texture(height, width)
        frames = np.repeat(wall[None], n_frames, axis=0)
        depth = np.full((n_frames, height, width), 4.0, np.float32)
        for t in range(n_frames):
            region = (t, slice(20, 44), slice(12 + step * t, 32 + step * t))
            frames[region] = (220, 20, 20)
            depth[region] = 2.0
        intrinsics = np.broadcast_to(intrinsics_of(width, height), (n_frames, 3, 3))
        return Scene(frames, depth, intrinsics), wall

    return make
