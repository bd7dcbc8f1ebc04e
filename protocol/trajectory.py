"""Camera paths: from arrays to the bytes of `TrajectoryArrays` and back, and their checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InvalidArgument
from .messages.jobs import (
    DepthFiles,
    Generate,
    Job,
    Pictures,
    Reconstruct,
    Source,
    TrajectoryArrays,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Trajectory",
    "check_job",
    "pack_trajectory",
    "unpack_intrinsics",
    "unpack_trajectory",
]

_FARTHEST = 1e8  # scene units; float32 on the way to the GPU has nothing left beyond
_LARGEST_PX = 1e6  # focal lengths and principal points
_ORTHONORMAL = 1e-3  # the library's, too: people round to four digits
_SKEW_PX = 1e-6


@dataclass(frozen=True)
class Trajectory:
    """A camera path. OpenCV axes, world_to_camera, pixel centres at +0.5."""

    width: int  # pixels of the output
    height: int
    extrinsics: NDArray[np.float64]  # [T, 4, 4]
    intrinsics: NDArray[np.float64]  # [T, 3, 3]
    source_frames: NDArray[np.int64] | None = None  # [T]
    source_extrinsics: NDArray[np.float64] | None = None  # [N, 4, 4]


def pack_trajectory(trajectory: Trajectory) -> TrajectoryArrays:
    """Turn a camera path into what is sent.

    Raises InvalidArgument for intrinsics that it cannot carry; the rest is checked by `check_job`.
    """
    matrices = np.asarray(trajectory.intrinsics, dtype=np.float64)
    _refuse_where(
        "intrinsics", matrices[:, 0, 1], np.abs(matrices[:, 0, 1]) > _SKEW_PX, "is skewed by"
    )
    focal_and_centre = matrices[:, [0, 1, 0, 1], [0, 1, 2, 2]]
    return TrajectoryArrays(
        n_frames=len(trajectory.extrinsics),
        width=trajectory.width,
        height=trajectory.height,
        extrinsics=_bytes(trajectory.extrinsics, "<f8"),
        intrinsics=_bytes(focal_and_centre, "<f8"),
        source_frames=_optional(trajectory.source_frames, "<i8"),
        source_extrinsics=_optional(trajectory.source_extrinsics, "<f8"),
    )


def unpack_trajectory(arrays: TrajectoryArrays, n_source: int | None = None) -> Trajectory:
    """Read a camera path for a source of `n_source` frames (none: unknown).

    Raises InvalidArgument naming the array, the frame and the value: wrong length, not finite,
    a rotation that is not orthonormal or mirrors, focal length <= 0, no such source frame.
    """
    n_frames = arrays.n_frames
    extrinsics = _floats("extrinsics", arrays.extrinsics, n_frames, (4, 4))
    _check_extrinsics("extrinsics", extrinsics)
    intrinsics = unpack_intrinsics(arrays.intrinsics, n_frames)
    source_frames = source_extrinsics = None
    if arrays.source_frames is not None:
        _check_length("source_frames", arrays.source_frames, n_frames * 8)
        source_frames = np.frombuffer(arrays.source_frames, dtype="<i8").astype(np.int64)
        last = (1 << 31) if n_source is None else n_source
        _refuse_where("source_frames", source_frames, (source_frames < 0) | (source_frames >= last))
    if arrays.source_extrinsics is not None:
        count = len(arrays.source_extrinsics) // 128 if n_source is None else n_source
        source_extrinsics = _floats(
            "source_extrinsics", arrays.source_extrinsics, max(count, 1), (4, 4)
        )
        _check_extrinsics("source_extrinsics", source_extrinsics)
    size = arrays.width, arrays.height
    return Trajectory(*size, extrinsics, intrinsics, source_frames, source_extrinsics)


def unpack_intrinsics(
    data: bytes, n_frames: int, name: str = "intrinsics"
) -> NDArray[np.float64]:  # [T, 3, 3], pixels
    """Read the lenses of a camera path or of a clip. Raises InvalidArgument."""
    fx_fy_cx_cy = _floats(name, data, n_frames, (4,))
    _check_intrinsics(fx_fy_cx_cy, name)
    intrinsics = np.zeros((n_frames, 3, 3))
    intrinsics[:, [0, 1, 0, 1], [0, 1, 2, 2]] = fx_fy_cx_cy
    intrinsics[:, 2, 2] = 1
    return intrinsics


def check_job(job: Job) -> None:
    """Refuse a job whose camera path or files cannot be right, before any work is done.

    Raises InvalidArgument.
    """
    if isinstance(job, Generate):
        for name, blob in (("color", job.color), ("mask", job.mask)):
            _check_blob(name, blob.size)
        return
    _check_source(job.source)
    if not isinstance(job, Reconstruct):
        unpack_trajectory(job.trajectory, job.source.num_frames)


def _check_source(source: Source) -> None:
    _check_blob("clip", source.clip.size)
    if source.pictures is not None:
        _check_pictures(source, source.pictures)
    if isinstance(source.depth, DepthFiles):
        for blob in source.depth.blobs:
            _check_blob("depth", blob.size)
    if source.lens is not None:
        count = len(source.lens.intrinsics) // 32
        unpack_intrinsics(source.lens.intrinsics, max(count, 1), "lens")


def _check_pictures(source: Source, pictures: Pictures) -> None:
    """Refuse pictures that are not those of the source's frames."""
    for blob in pictures.blobs:
        _check_blob("pictures", blob.size)
    if pictures.blobs[0] != source.clip:
        raise InvalidArgument("The clip is not the first of its pictures.", field="pictures")
    n_left = max(0, -(-(pictures.count - source.start_frame) // source.stride))
    n_frames = min(n_left, source.num_frames)
    if len(pictures.blobs) != n_frames:
        raise InvalidArgument(
            f"There are {len(pictures.blobs)} pictures for {n_frames} frames of the clip.",
            field="pictures",
            value=len(pictures.blobs),
        )


def _check_blob(name: str, size: int) -> None:
    if size == 0:
        raise InvalidArgument(f"The file for {name} is empty.", field=name, value=0)


def _bytes(array: Any, form: str) -> bytes:
    return np.ascontiguousarray(array, dtype=form).tobytes()


def _optional(array: Any, form: str) -> bytes | None:
    return None if array is None else _bytes(array, form)


def _check_length(name: str, data: bytes, expected: int) -> None:
    if len(data) != expected:
        raise InvalidArgument(
            f"The camera path's {name} has {len(data)} bytes; {expected} are expected.",
            field=name,
            given=len(data),
            expected=expected,
        )


def _floats(name: str, data: bytes, count: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    _check_length(name, data, count * 8 * int(np.prod(shape)))
    array = np.frombuffer(data, dtype="<f8").reshape(count, *shape).astype(np.float64)
    _refuse_where(name, array, ~np.isfinite(array))
    return array


def _check_extrinsics(name: str, matrices: NDArray[np.float64]) -> None:
    position = matrices[:, :3, 3]
    _refuse_where(name, position, np.abs(position) > _FARTHEST)
    bottom = matrices[:, 3]
    _refuse_where(name, bottom, np.abs(bottom - [0, 0, 0, 1]) > 1e-6)
    rotation = matrices[:, :3, :3]
    # clipped, so that a scale of 1e200 is refused and does not overflow
    clipped = np.clip(rotation, -1e3, 1e3)
    error = np.abs(clipped @ clipped.transpose(0, 2, 1) - np.eye(3)).max(axis=(1, 2))
    _refuse_where(name, error, error > _ORTHONORMAL, "is off from orthonormal by")
    determinant = np.linalg.det(rotation)
    _refuse_where(name, determinant, determinant < 0, "mirrors: its determinant is")


def _check_intrinsics(fx_fy_cx_cy: NDArray[np.float64], name: str) -> None:
    focal = fx_fy_cx_cy[:, :2]
    _refuse_where(name, focal, (focal <= 0) | (focal > _LARGEST_PX), "has the focal length")
    centre = fx_fy_cx_cy[:, 2:]
    _refuse_where(name, centre, np.abs(centre) > _LARGEST_PX)


def _refuse_where(
    name: str,
    values: NDArray[Any],  # [T, ...]
    wrong: NDArray[np.bool_],  # the same shape
    what: str = "has the value",
) -> None:
    if not wrong.any():
        return
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    value = values[index].item()
    raise InvalidArgument(
        f"Frame {index[0]} of the camera path's {name} {what} {value:.6g}.",
        field=name,
        frame=index[0],
        value=str(value),
    )
