"""From a clip, its depth and a camera path to the conditions: what the new camera sees of the
source (colour), and where it sees it (mask)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ex4d.conditions.backdrop import Backdrop, BackdropRenderer
from ex4d.convention import EXACT, Convention
from ex4d.runtime.jit import kernel
from ex4d.runtime.lack_of_memory import telling_what_fits

if TYPE_CHECKING:
    from ex4d.camera.trajectory import Trajectory
    from ex4d.conditions.scene import Scene
    from ex4d.raster.base import Rasterizer, Rendering

__all__ = [
    "Conditions",
    "Progress",
    "condition_picture",
    "render_conditions",
    "run_frames",
    "stands_at_source",
]

Progress = Callable[[int, int], None]  # frames done, frames in all

_VISIBLE_ALPHA = 125  # of 255; more is seen. The public code's threshold
_SAME_POSE = 1e-6
_KEPT_BYTES = 4  # of a pixel of the conditions, and of the backdrop
_DRAWN_BYTES = 60  # of a pixel that is being drawn, by each worker; measured
_ENCODED_BYTES = 16  # of a pixel of each frame that the encoder afterwards looks ahead at; measured
_LOOK_AHEAD = 50  # frames


@dataclass(frozen=True)
class Conditions:
    """What the generator is conditioned on."""

    color: np.ndarray  # uint8 [T, H, W, 3], black where the mask is false
    mask: np.ndarray  # bool [T, H, W], true where the source is visible
    backdrop: Backdrop | None = None  # for drafts: what probably stands where the mask is false


@kernel
def _threshold(rgba, divides, color, mask):
    for row in range(rgba.shape[0]):
        for column in range(rgba.shape[1]):
            alpha = rgba[row, column, 3]
            visible = alpha > _VISIBLE_ALPHA
            mask[row, column] = visible
            for k in range(3):
                value = 0.0
                if visible:
                    value = rgba[row, column, k]
                    if divides:
                        value = value * (255.0 / alpha) + 0.5
                color[row, column, k] = np.uint8(min(value, 255.0))


def condition_picture(
    rendering: Rendering, convention: Convention = EXACT
) -> tuple[np.ndarray, np.ndarray]:
    """Turn a rendering into colour uint8 [H, W, 3] and mask bool [H, W].

    Colours are divided by alpha, so that nothing darkens towards a hole; the public code leaves
    that fringe, and cuts fractions off.
    """
    shape = rendering.rgba.shape[:2]
    color, mask = np.empty((*shape, 3), np.uint8), np.empty(shape, np.bool_)
    _threshold(rendering.rgba, not convention.is_upstream, color, mask)
    return color, mask


def render_conditions(
    scene: Scene,
    trajectory: Trajectory,
    rasterizer: Rasterizer,
    *,
    with_backdrop: bool = False,
    progress: Progress | None = None,
) -> Conditions:
    """Render the conditions of every frame of a camera path.

    Frame 0 is the source frame itself, with a full mask, when its camera is the source's. Raises
    TooLargeError, saying what would fit into the memory.
    """
    trajectory.check_sources(len(scene.frames))
    n_frames, kept = len(trajectory), _KEPT_BYTES * (2 if with_backdrop else 1)
    drawn = _DRAWN_BYTES * min(n_frames, rasterizer.workers)
    worked_on = max(drawn, _ENCODED_BYTES * min(n_frames, _LOOK_AHEAD))
    with telling_what_fits(n_frames, trajectory.size, kept=kept, worked_on=worked_on):
        return _render(scene, trajectory, rasterizer, with_backdrop, progress)


def _render(
    scene: Scene,
    trajectory: Trajectory,
    rasterizer: Rasterizer,
    with_backdrop: bool,
    progress: Progress | None,
) -> Conditions:
    width, height = trajectory.size
    shape = (len(trajectory), height, width)
    color, mask = np.empty((*shape, 3), np.uint8), np.empty(shape, np.bool_)
    backdrop, backdrop_renderer = None, None
    if with_backdrop:
        backdrop = Backdrop(np.zeros_like(color), np.zeros_like(mask))
        backdrop_renderer = BackdropRenderer(scene, trajectory, rasterizer)

    def render(frame: int) -> None:
        source_frame = int(trajectory.source_frames[frame])
        if frame == 0 and stands_at_source(scene, trajectory, frame):
            color[0], mask[0] = scene.frames[source_frame], True
            return
        mesh = scene.mesh(source_frame)
        rendering = rasterizer.render(mesh, scene.camera(trajectory, frame, source_frame))
        color[frame], mask[frame] = condition_picture(rendering, scene.convention)
        if backdrop is not None and backdrop_renderer is not None:
            picture = backdrop_renderer.draw(frame, mesh, rendering, mask[frame])
            backdrop.color[frame], backdrop.mask[frame] = picture

    run_frames(render, len(trajectory), rasterizer.workers, progress)
    return Conditions(color, mask, backdrop)


def stands_at_source(scene: Scene, trajectory: Trajectory, frame: int) -> bool:
    """Whether a frame's camera is the camera of the source frame that it shows."""
    source_frame = int(trajectory.source_frames[frame])
    return (
        scene.frames.shape[1:3] == trajectory.size[::-1]
        and np.allclose(trajectory.source_to_camera(frame), np.eye(4), atol=_SAME_POSE)
        and np.allclose(trajectory.intrinsics[frame], scene.intrinsics[source_frame], rtol=1e-6)
    )


def run_frames(
    work: Callable[[int], None], n_frames: int, workers: int, progress: Progress | None = None
) -> None:
    """Call `work` for every frame number, on several threads; stop at the first error or Ctrl-C."""
    with _stopping_pool(workers) as pool:
        futures = [pool.submit(work, frame) for frame in range(n_frames)]
        for done, future in enumerate(futures, start=1):
            future.result()
            if progress is not None:
                progress(done, n_frames)


@contextmanager
def _stopping_pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """A thread pool that forgets its queue when its body raises."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="ex4d-frames")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
