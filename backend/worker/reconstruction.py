"""`reconstruction.npz`: what Blender expands to the animated mesh.

disparity         uint16 [N, H, W]; 1 / z-depth = disparity_min + disparity / 65535 *
                  (disparity_max - disparity_min)
disparity_min, disparity_max   float64, over the whole clip
intrinsics        float64 [N, 3, 3], pixels of `size`, pixel centres at +0.5
border_depth      float64, where the outermost ring of vertices lies
holes             uint8 [N, H, ceil(W / 8)], numpy.packbits along a row: 1 at a vertex that
                  renders as a hole
fps_numerator, fps_denominator   int64
source_frames     int64 [N], the frames' numbers in the file
size, native_size int64 [2], (W, H) as worked on, and of the file as displayed
notes             uint8 [n], UTF-8 sentences, one a line: what was assumed of the clip, and done
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from ex4d.conditions.scene import Scene
    from ex4d.video.reader import Clip

__all__ = ["quantised_disparity", "reconstruct"]

_LEVELS = 65535


def quantised_disparity(depth: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Turn z-depth [N, H, W], all positive, into disparity uint16 and its least and greatest value.

    Rounded to the nearest level, so no disparity is off by more than half of (max - min) / 65535.
    """
    least, most = 1.0 / float(depth.max()), 1.0 / float(depth.min())
    scale = _LEVELS / (most - least) if most > least else 0.0
    levels = np.empty(depth.shape, np.uint16)
    for level, frame in zip(levels, depth, strict=True):
        level[:] = np.clip(np.rint((1.0 / frame.astype(np.float64) - least) * scale), 0, _LEVELS)
    return levels, least, most


def reconstruct(
    scene: Scene, clip: Clip, progress: Callable[[int, int], None]
) -> dict[str, np.ndarray]:
    """Make the arrays of the file. `progress` is told frames done and frames in all."""
    n_frames, height, width = scene.depth.shape
    holes = np.empty((n_frames, height, -(-width // 8)), np.uint8)
    for frame in range(n_frames):
        alpha = scene.mesh(frame).rgba[:, 3].reshape(height, width)
        holes[frame] = np.packbits(alpha == 0, axis=1)
        progress(frame + 1, n_frames)
    disparity, least, most = quantised_disparity(scene.depth)
    return {
        "disparity": disparity,
        "disparity_min": np.array(least),
        "disparity_max": np.array(most),
        "intrinsics": np.ascontiguousarray(scene.intrinsics, np.float64),
        "border_depth": np.array(scene.convention.border_depth(scene.depth_range[1])),
        "holes": holes,
        "fps_numerator": np.array(clip.fps.numerator, np.int64),
        "fps_denominator": np.array(clip.fps.denominator, np.int64),
        "source_frames": clip.indices,
        "size": np.array([width, height], np.int64),
        "native_size": np.array(clip.native_size, np.int64),
        "notes": np.frombuffer("\n".join(clip.notes).encode(), np.uint8),
    }
