"""The files of a shot's conditions, written while the engine works on them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from backend.worker.worker import JobCancelled
from ex4d.camera.files import write_trajectory
from ex4d.conditions.files import write_conditions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backend.worker.worker import JobContext
    from ex4d.camera.trajectory import Trajectory
    from ex4d.conditions.render import Conditions
    from ex4d.video.reader import Clip

__all__ = ["write_condition_files", "written_meanwhile"]

_NAME = "shot"  # of the camera path, inside the file names that the library makes


def write_condition_files(
    context: JobContext,
    conditions: Conditions,
    trajectory: Trajectory,
    clip: Clip,
    progress: Callable[[int, int], None],
) -> None:
    """Write color.mp4, mask.mp4, backdrop.npz and camera.npz. Raises OutputError, and what
    `progress` raises."""
    write_conditions(
        context.scratch,
        _NAME,
        conditions,
        clip.fps,
        first_number=clip.start_number,
        progress=progress,
    )
    for path in context.scratch.glob(f"*_{_NAME}.*"):
        path.rename(path.with_name(path.name.replace(f"_{_NAME}", "")))
    write_trajectory(context.scratch / "camera.npz", trajectory)


@contextmanager
def written_meanwhile(
    context: JobContext, conditions: Conditions, trajectory: Trajectory, clip: Clip
) -> Iterator[None]:
    """Write the files in a thread while the body runs, and wait for them at its end: an encoder
    of videos needs the CPU for seconds, a diffusion engine only the GPU.

    Raises what writing them raises. When the body raises, or the job is cancelled, it stops at the
    next frame.
    """
    stopping = threading.Event()

    def check(done: int, total: int) -> None:
        if stopping.is_set() or context.is_cancelled:
            raise JobCancelled

    write = partial(write_condition_files, context, conditions, trajectory, clip, check)
    with ThreadPoolExecutor(1, thread_name_prefix="ex4d-conditions") as pool:
        written = pool.submit(write)
        try:
            yield
        except BaseException:
            stopping.set()
            raise
        written.result()
