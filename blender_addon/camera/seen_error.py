"""How far a picture moves when a camera does not quite take the path that it should."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["SeenPath", "nearest_depth", "rotations_of"]

_FLIP = np.array([1.0, -1.0, -1.0])  # between a Blender camera's axes and OpenCV's; its own inverse
_GRID = 5  # pixels that are looked at, along each side
_NEARER = 0.8  # than the nearest of the points that are looked at


@dataclass(frozen=True)
class SeenPath:
    """A path as location and quaternion of every frame, and what the camera sees along it."""

    motion: np.ndarray  # float64 [T, 7]: location, quaternion
    to_camera: np.ndarray  # float64 [T, 3, 3], from a shift of location to the camera's own axes
    intrinsics: np.ndarray  # float64 [T, 3, 3], pixels of `size`
    size: tuple[int, int]  # (W, H)
    nearest: np.ndarray  # float64 [T], least depth of what is in the picture

    def error_px(self, motion: np.ndarray) -> np.ndarray:
        """How far anything in the picture lies from where it should, at most, for another motion
        [T, 7]: pixels [T].

        The shift is affine in the inverse of the depth, so it is greatest at the nearest depth or
        infinitely far away; over the picture it changes slowly.
        """
        turn = np.swapaxes(rotations_of(self.motion[:, 3:]), 1, 2) @ rotations_of(motion[:, 3:])
        move = np.einsum("tij,tj->ti", self.to_camera, motion[:, :3] - self.motion[:, :3])
        pixels = self._pixels()
        rays = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=1)
        rays = (rays @ np.linalg.inv(self.intrinsics).swapaxes(1, 2)) * _FLIP  # [T, P, 3]
        near = rays * self.nearest[:, None, None] - move[:, None]
        errors = []
        for points in (near, rays):
            seen = (points @ turn * _FLIP) @ self.intrinsics.swapaxes(1, 2)
            depth = np.where(seen[..., 2:] > 0, seen[..., 2:], np.nan)  # behind it: infinitely far
            shift = np.linalg.norm(seen[..., :2] / depth - pixels, axis=-1).max(axis=1)
            errors.append(np.nan_to_num(shift, nan=np.inf))
        return np.maximum(*errors)

    def _pixels(self) -> np.ndarray:
        sides = [np.linspace(0, side, _GRID) for side in self.size]
        return np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)


def nearest_depth(
    points: np.ndarray,  # [P, 3], of the world
    camera_to_world: np.ndarray,  # [4, 4], rigid, Blender's axes
    intrinsics: np.ndarray,  # [3, 3]
    size: tuple[int, int],
) -> float:
    """A little less than the least depth of points that are in a camera's picture; of all of them
    where none is."""
    local = (points - camera_to_world[:3, 3]) @ camera_to_world[:3, :3] * _FLIP
    depth = local[:, 2]
    seen = local @ intrinsics.T
    with np.errstate(all="ignore"):
        pixels = seen[:, :2] / seen[:, 2:]
        inside = (depth > 0) & (pixels >= 0).all(axis=1) & (pixels <= size).all(axis=1)
    distances = depth[inside] if inside.any() else np.linalg.norm(local, axis=1)
    return _NEARER * float(distances.min())


def rotations_of(quaternions: np.ndarray) -> np.ndarray:
    """Rotations [T, 3, 3] of quaternions [T, 4] of any length, w first."""
    unit = quaternions / np.linalg.norm(quaternions, axis=-1, keepdims=True)
    w, x, y, z = np.moveaxis(unit, -1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
