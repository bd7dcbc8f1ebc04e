"""A camera path through a clip, checked when it is made.

Poses are `world_to_camera` with OpenCV's axes (x right, y down, z forward). The world is the source
camera of frame 0, unless the source camera has a path of its own (`source_extrinsics`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ex4d.errors import CameraError

__all__ = [
    "Trajectory",
    "check_extrinsics",
    "check_intrinsics",
    "check_size",
    "scale_intrinsics",
]

_ROTATION_TOLERANCE = 1e-3  # float32 files stay below 1e-5; people round to 4 digits
_LARGEST_SIDE_PX = 8192
_SKEW_PX = 1e-6
_LEAST_FOCAL_PX = 5.0  # below it and with a centre below 1, intrinsics are in another unit
_LAST_SOURCE_FRAME = 1 << 31  # years of film; more would not fit in an integer


def check_extrinsics(extrinsics: np.ndarray, name: str = "extrinsics") -> np.ndarray:
    """Return rigid poses [T, 4, 4] as float64.

    Raises CameraError, naming the first wrong frame and value: not finite, a wrong last row, a
    rotation that is scaled, sheared or mirrored.
    """
    extrinsics = _as_numbers(extrinsics, name)
    if extrinsics.ndim != 3 or extrinsics.shape[1:] not in {(4, 4), (3, 4)} or not len(extrinsics):
        raise CameraError(f"{name} must be [T, 4, 4], they are {list(extrinsics.shape)}")
    if extrinsics.shape[1] == 3:
        last_row = np.broadcast_to([[[0.0, 0.0, 0.0, 1.0]]], (len(extrinsics), 1, 4))
        extrinsics = np.concatenate([extrinsics, last_row], axis=1)
    for frame, pose in enumerate(extrinsics):
        if not np.isfinite(pose).all():
            bad = pose[~np.isfinite(pose)][0]
            raise CameraError(f"{name} of frame {frame} hold {bad}; every value must be finite")
        if not np.allclose(pose[3], [0, 0, 0, 1], atol=1e-6):
            raise CameraError(
                f"{name} of frame {frame} end in {pose[3].tolist()}, not [0, 0, 0, 1]"
            )
        _check_rotation(pose[:3, :3], frame, name)
    return extrinsics


def _check_rotation(rotation: np.ndarray, frame: int, name: str) -> None:
    with np.errstate(all="ignore"):  # 1e200 overflows, and inf - inf is NaN
        determinant = float(np.linalg.det(rotation))
        error = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
    where = f"the rotation in {name} of frame {frame}"
    if not error <= _ROTATION_TOLERANCE:
        raise CameraError(
            f"{where} is not orthonormal: it scales or shears (determinant {determinant:.4g}, "
            f"largest error {error:.2g})"
        )
    if determinant < 0:
        raise CameraError(f"{where} is mirrored (determinant {determinant:.4g}, it must be +1)")


def check_intrinsics(intrinsics: np.ndarray, n_frames: int) -> np.ndarray:
    """Return intrinsics of every frame [T, 3, 3] as float64, from [3, 3] or [T, 3, 3].

    Raises CameraError, naming the first wrong frame and value.
    """
    intrinsics = _as_numbers(intrinsics, "intrinsics")
    if intrinsics.shape == (3, 3):
        intrinsics = np.broadcast_to(intrinsics, (n_frames, 3, 3)).copy()
    if intrinsics.shape != (n_frames, 3, 3):
        raise CameraError(
            f"intrinsics must be [3, 3] or [{n_frames}, 3, 3], they are {list(intrinsics.shape)}"
        )
    for frame, matrix in enumerate(intrinsics):
        if not np.isfinite(matrix).all():
            bad = matrix[~np.isfinite(matrix)][0]
            raise CameraError(f"intrinsics of frame {frame} hold {bad}; values must be finite")
        focal = min(matrix[0, 0], matrix[1, 1])
        if focal <= 0:
            raise CameraError(f"frame {frame} has focal length {focal:g} px; it must be positive")
        if focal < _LEAST_FOCAL_PX and matrix[:2, 2].max() <= 1:
            raise CameraError(
                f"frame {frame} has focal length {focal:g} and centre {matrix[:2, 2].tolist()}: "
                "intrinsics must be in pixels, not in shares of the picture"
            )
        if not np.allclose([*matrix[2], matrix[1, 0]], [0, 0, 1, 0], atol=1e-6):
            raise CameraError(
                f"intrinsics of frame {frame} are not [[f, 0, c], [0, f, c], [0, 0, 1]]"
            )
        if abs(matrix[0, 1]) > _SKEW_PX:
            raise CameraError(
                f"intrinsics of frame {frame} are skewed by {matrix[0, 1]:g} px: lenses have no "
                "skew here"
            )
    exact = np.zeros_like(intrinsics)
    exact[:, [0, 1, 0, 1, 2], [0, 1, 2, 2, 2]] = intrinsics[:, [0, 1, 0, 1, 2], [0, 1, 2, 2, 2]]
    exact[:, 2, 2] = 1
    return exact


def check_size(size: np.ndarray | tuple[int, int]) -> tuple[int, int]:
    """Return (W, H) as whole numbers of pixels. Raises CameraError, naming the value."""
    sides = _as_numbers(np.asarray(size), "the sides in size").ravel()
    if sides.shape != (2,) or not (sides == np.round(sides)).all():
        raise CameraError(f"size must be two whole numbers (W, H), it is {sides.tolist()}")
    if not ((sides >= 1) & (sides <= _LARGEST_SIDE_PX)).all():
        given = f"{sides[0]:g}x{sides[1]:g}"
        raise CameraError(f"size {given} is outside 1..{_LARGEST_SIDE_PX} pixels")
    return int(sides[0]), int(sides[1])


def _as_numbers(values: np.ndarray, name: str) -> np.ndarray:
    values = np.asarray(values)
    if values.dtype.kind not in "fiu":
        raise CameraError(f"{name} must be numbers, not {values.dtype}")
    return values.astype(np.float64)


def scale_intrinsics(
    intrinsics: np.ndarray,  # [..., 3, 3], pixel centres at +0.5
    from_size: tuple[float, float],
    to_size: tuple[int, int],
) -> np.ndarray:
    """Re-express intrinsics for a picture of another (W, H) that shows the same."""
    scale = np.array([to_size[0] / from_size[0], to_size[1] / from_size[1], 1.0])
    scaled: np.ndarray = np.asarray(intrinsics, np.float64) * scale[:, None]
    return scaled


@dataclass(frozen=True)
class Trajectory:
    """One pose, lens and source frame for every output frame. Raises CameraError when wrong."""

    world_to_camera: np.ndarray  # float64 [T, 4, 4]
    intrinsics: np.ndarray  # float64 [T, 3, 3] (given also as [3, 3]), pixels of `size`
    size: tuple[int, int]  # (W, H) of the output pictures
    source_frames: np.ndarray = field(default_factory=lambda: np.array([], np.int64))  # [T], or t
    source_extrinsics: np.ndarray | None = (
        None  # float64 [N, 4, 4], world_to_camera; None: identity
    )

    def __post_init__(self) -> None:
        poses = check_extrinsics(self.world_to_camera)
        n_frames = len(poses)
        object.__setattr__(self, "world_to_camera", poses)
        object.__setattr__(self, "intrinsics", check_intrinsics(self.intrinsics, n_frames))
        object.__setattr__(self, "size", check_size(self.size))
        object.__setattr__(
            self, "source_frames", _check_source_frames(self.source_frames, n_frames)
        )
        if self.source_extrinsics is not None:
            source = check_extrinsics(self.source_extrinsics, "source_extrinsics")
            object.__setattr__(self, "source_extrinsics", source)

    def __len__(self) -> int:
        return len(self.world_to_camera)

    def source_to_camera(self, frame: int) -> np.ndarray:
        """The transform [4, 4] from the source camera of the shown frame to this frame's camera."""
        return self.between(frame, int(self.source_frames[frame]))

    def between(self, frame: int, source_frame: int) -> np.ndarray:
        """The transform [4, 4] from the source camera of any source frame to a frame's camera."""
        pose: np.ndarray = self.world_to_camera[frame]
        if self.source_extrinsics is not None:
            pose = pose @ np.linalg.inv(self.source_extrinsics[source_frame])
        return pose

    def check_sources(self, n_source_frames: int) -> None:
        """Raise CameraError when the path asks for source frames that the clip does not have."""
        for frame, source in enumerate(self.source_frames):
            if source >= n_source_frames:
                raise CameraError(
                    f"frame {frame} of the camera path shows source frame {source}, "
                    f"but the clip has frames 0 to {n_source_frames - 1}"
                )
        poses = self.source_extrinsics
        if poses is not None and len(poses) != n_source_frames:
            raise CameraError(
                f"source_extrinsics hold {len(poses)} poses, the clip has {n_source_frames} frames"
            )


def _check_source_frames(source_frames: np.ndarray, n_frames: int) -> np.ndarray:
    """Whole source frame numbers [T]; fractions go to the nearest frame."""
    if np.size(source_frames) == 0:
        return np.arange(n_frames)
    given = _as_numbers(source_frames, "source_frames")
    if given.shape != (n_frames,):
        raise CameraError(
            f"source_frames hold {given.size} numbers, the camera path has {n_frames} frames"
        )
    for frame, value in enumerate(given):
        if not 0 <= value <= _LAST_SOURCE_FRAME:
            raise CameraError(
                f"source_frames of frame {frame} is {value:g}, which numbers no frame"
            )
    return np.floor(given + 0.5).astype(np.int64)
