"""Camera paths in `.npz` files: `camera.npz` of a take or of the command line, `source_camera.npz`
of a clip, as the command line has it or as it is kept beside a mesh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...protocol.errors import InvalidArgument
from ...protocol.limits import LARGEST_SIDE_PX
from ...protocol.trajectory import Trajectory, pack_trajectory, unpack_trajectory
from ..axes import world_to_camera_from_blender
from ..errors import SettingsError
from .camera_path import CameraPath
from .npz_files import read_arrays

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CameraFile", "read_camera_file"]

_NAMES = (
    *("extrinsics", "camera_to_world", "intrinsics", "size", "source_frames"),
    "source_extrinsics",
)
_LARGEST_BYTES = 1 << 28  # unpacked; hours of film have less
_OFF_CENTRE = 0.05  # of a side; real lenses lie within it
_PUBLIC_CODE = np.diag([1.0, -1.0, -1.0, 1.0])  # what its paths begin with; ours with none


@dataclass(frozen=True)
class CameraFile(CameraPath):
    """What a file says."""

    shows_other_frames: bool = False  # of the source than the 0th, 1st, 2nd, ...
    is_of_source: bool = False  # the clip's own camera, for certain


def read_camera_file(path: Path, likely_size: tuple[int, int]) -> CameraFile:
    """Read a camera path. Without `size` in the file its lens is for `likely_size` (W, H) where the
    principal point lies near the middle of that, else for the picture whose middle it is.

    Raises SettingsError, a sentence that names the file and what is wrong in it.
    """
    arrays = _arrays_of(path)
    try:
        return _checked(arrays, likely_size)
    except InvalidArgument as error:
        raise SettingsError(f"{path}: {error}") from error
    except ValueError as error:
        raise SettingsError(f"{path}: {error}.") from error


def _arrays_of(path: Path) -> dict[str, np.ndarray]:
    arrays = read_arrays(path, _NAMES, what="camera", most_bytes=_LARGEST_BYTES)
    if "intrinsics" not in arrays or not {"extrinsics", "camera_to_world"} & arrays.keys():
        lacks = "extrinsics" if "intrinsics" in arrays else "intrinsics"
        raise SettingsError(f"{path} is no camera path: there is no {lacks!r} in it.")
    return arrays


def _checked(arrays: dict[str, np.ndarray], likely_size: tuple[int, int]) -> CameraFile:
    is_of_source = "camera_to_world" in arrays
    poses = _poses("camera_to_world" if is_of_source else "extrinsics", arrays)
    if is_of_source:
        with np.errstate(all="ignore"):
            if not (np.abs(np.linalg.det(poses)) > 0.5).all():  # nor of what is not finite
                raise ValueError("camera_to_world holds poses that are not rigid")
        poses = world_to_camera_from_blender(poses)
    elif "size" not in arrays and np.allclose(poses[0], _PUBLIC_CODE, atol=1e-4):
        poses = _PUBLIC_CODE @ poses  # its rows are in OpenGL's sense
    lens = np.asarray(arrays["intrinsics"], np.float64)
    if lens.shape == (3, 3):
        lens = np.broadcast_to(lens, (len(poses), 3, 3))
    if lens.shape != (len(poses), 3, 3):
        allowed = f"[3, 3] or [{len(poses)}, 3, 3]"
        raise ValueError(f"intrinsics must be {allowed}, they are {list(lens.shape)}")
    source = _poses("source_extrinsics", arrays) if "source_extrinsics" in arrays else None
    size = _size(arrays["size"]) if "size" in arrays else _meant_size(lens[0], likely_size)
    given = Trajectory(*size, poses, lens, source_extrinsics=source)
    checked = unpack_trajectory(pack_trajectory(given))
    shown = arrays.get("source_frames")
    return CameraFile(
        checked.extrinsics,
        checked.intrinsics,
        size,
        checked.source_extrinsics,
        shown is not None and not np.array_equal(shown, np.arange(len(poses))),
        is_of_source,
    )


def _poses(name: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Poses [T, 4, 4]; given also as [T, 3, 4]."""
    poses = np.asarray(arrays[name], np.float64)
    if poses.ndim != 3 or poses.shape[1:] not in {(4, 4), (3, 4)} or not len(poses):
        raise ValueError(f"{name} must be [T, 4, 4], they are {list(poses.shape)}")
    if poses.shape[1] == 3:
        last = np.broadcast_to([[[0.0, 0.0, 0.0, 1.0]]], (len(poses), 1, 4))
        poses = np.concatenate([poses, last], axis=1)
    return poses


def _size(given: np.ndarray) -> tuple[int, int]:
    sides = np.asarray(given, np.float64).ravel()
    is_whole = sides.shape == (2,) and (sides == np.round(sides)).all()
    if not is_whole or sides.min() < 1 or sides.max() > LARGEST_SIDE_PX:
        raise ValueError(
            f"size must be two whole numbers from 1 to {LARGEST_SIDE_PX}, it is {sides.tolist()}"
        )
    return int(sides[0]), int(sides[1])


def _meant_size(lens: np.ndarray, likely: tuple[int, int]) -> tuple[int, int]:
    centre = lens[:2, 2]
    if np.abs(centre / likely - 0.5).max() <= _OFF_CENTRE:
        return likely
    if not np.isfinite(centre).all():
        raise ValueError("intrinsics hold values that are not finite")
    return _size(np.round(2 * centre))
