"""`camera.npz`: camera paths on disk.

Keys: `extrinsics` [T, 4, 4] (world_to_camera), `intrinsics` [3, 3] or [T, 3, 3]; optional `size`
(W, H), `source_frames` [T], `source_extrinsics` [N, 4, 4].
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from ex4d.camera.meant_size import meant_size
from ex4d.camera.trajectory import (
    Trajectory,
    check_extrinsics,
    check_intrinsics,
    check_size,
    scale_intrinsics,
)
from ex4d.errors import CameraError
from ex4d.files.names import names_in_words
from ex4d.files.npz import array_names, read_npz, write_npz
from ex4d.video.alignment import entries_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ex4d.video.reader import Clip

__all__ = ["read_source_camera", "read_trajectory", "write_trajectory"]

_NAMES = frozenset({"extrinsics", "intrinsics", "size", "source_frames", "source_extrinsics"})
_log = logging.getLogger(__name__)
_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])


def read_trajectory(path: str | Path, clip: Clip) -> Trajectory:
    """Read a camera path for `clip`.

    A path with as many frames as the video file is cut to the clip's frames. Without `size` the
    output has the clip's working size, and the principal point tells for which size the intrinsics
    were meant: the working size, the video's own, or one of the same aspect. Files of the public
    code, whose rows are in OpenGL's sense, are turned round.
    Raises CameraError, naming the file, the frame and the value.
    """
    arrays = _read(path, _NAMES)
    with _in(path):
        return _trajectory_of(arrays, clip)


def read_source_camera(path: str | Path, clip: Clip) -> Trajectory:
    """Read the path of the camera that filmed `clip`: a pose for each of its frames, or for every
    frame of the video; the lens is for `size` of what is returned, as in read_trajectory.

    Raises CameraError, naming the file, the frame and the value.
    """
    arrays = _read(path, _NAMES - {"source_extrinsics"})
    with _in(path):
        shown = arrays.pop("source_frames", None)
        if shown is not None and not np.array_equal(shown, np.arange(len(shown))):
            raise CameraError(
                "source_frames do not count 0, 1, 2, ...: a source camera shows each frame once"
            )
        return _trajectory_of(arrays, clip)


def _read(path: str | Path, names: frozenset[str]) -> dict[str, np.ndarray]:
    arrays = read_npz(path, CameraError, names=names)
    missing = {"extrinsics", "intrinsics"} - arrays.keys()
    if missing:
        found = names_in_words(array_names(path, CameraError))
        raise CameraError(f"{path}: there is no {sorted(missing)[0]!r} in it, only {found}")
    return arrays


@contextmanager
def _in(path: str | Path) -> Iterator[None]:
    try:
        yield
    except CameraError as error:
        raise CameraError(f"{path}: {error}") from None


def _trajectory_of(arrays: dict[str, np.ndarray], clip: Clip) -> Trajectory:
    extrinsics = arrays["extrinsics"]
    if "size" not in arrays:  # the public code's files have none, ours always do
        extrinsics = _from_public_code(extrinsics)
    extrinsics = check_extrinsics(extrinsics)
    intrinsics = check_intrinsics(arrays["intrinsics"], len(extrinsics))
    source_frames = arrays.get("source_frames")
    if source_frames is None:
        chosen = entries_for(clip, len(extrinsics))
        if chosen is None:
            raise CameraError(
                f"it has {len(extrinsics)} frames, the clip has {len(clip.frames)}; "
                "give one pose for every frame, or source_frames"
            )
        extrinsics, intrinsics = extrinsics[chosen], intrinsics[chosen]
    size, intrinsics = _size_of(arrays.get("size"), intrinsics, clip)
    trajectory = Trajectory(
        extrinsics,
        intrinsics,
        size,
        source_frames=np.array([]) if source_frames is None else source_frames,
        source_extrinsics=_source_extrinsics(arrays.get("source_extrinsics"), clip),
    )
    trajectory.check_sources(len(clip.frames))
    return trajectory


def _from_public_code(extrinsics: np.ndarray) -> np.ndarray:
    """Undo the negated rows of the public code's files: they begin with diag(1, -1, -1, 1)."""
    is_path = extrinsics.ndim == 3 and extrinsics.shape[1:] == (4, 4) and len(extrinsics) > 0
    if not is_path or extrinsics.dtype.kind not in "fiu":
        return extrinsics  # check_extrinsics says what is wrong
    if not np.allclose(extrinsics[0], _OPENGL, atol=1e-4):
        return extrinsics
    _log.info("the camera path begins with diag(1, -1, -1, 1): read in the public code's sense")
    turned: np.ndarray = _OPENGL @ np.asarray(extrinsics, np.float64)
    return turned


def _source_extrinsics(given: np.ndarray | None, clip: Clip) -> np.ndarray | None:
    if given is None:
        return None
    poses = check_extrinsics(given, "source_extrinsics")
    chosen = entries_for(clip, len(poses))
    if chosen is None:
        raise CameraError(
            f"source_extrinsics hold {len(poses)} poses, the clip has {len(clip.frames)} frames"
        )
    return np.asarray(poses[chosen])


def _size_of(
    given: np.ndarray | None, intrinsics: np.ndarray, clip: Clip
) -> tuple[tuple[int, int], np.ndarray]:
    """The output size (W, H), and the intrinsics for it."""
    if given is not None:
        return check_size(given), intrinsics
    size = clip.frames.shape[2], clip.frames.shape[1]
    meant = meant_size(intrinsics[0], (size, clip.native_size), size)
    return size, intrinsics if meant is None else scale_intrinsics(intrinsics, meant, size)


def write_trajectory(path: str | Path, trajectory: Trajectory) -> None:
    """Write a camera path that `read_trajectory` reads back bit for bit."""
    arrays = {
        "extrinsics": trajectory.world_to_camera,
        "intrinsics": trajectory.intrinsics,
        "size": np.array(trajectory.size, np.int64),
        "source_frames": trajectory.source_frames,
    }
    if trajectory.source_extrinsics is not None:
        arrays["source_extrinsics"] = trajectory.source_extrinsics
    write_npz(path, arrays)
