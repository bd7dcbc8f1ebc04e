"""What probably stands in the disocclusions, for drafts: the backdrop.

A place that the source did not see in one frame may have been seen in another; its picture is
taken from there: out of the clean plate when the source camera stands still, out of a few other
frames when its path is known. Elsewhere the occluding face that hides the place tells what is
beside it: such a face spans a depth jump, and the colours of its far side, the background, are
drawn across it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ex4d.conditions.clean_plate import clean_plate, stands_still
from ex4d.runtime.jit import kernel

if TYPE_CHECKING:
    from ex4d.camera.trajectory import Trajectory
    from ex4d.conditions.scene import Scene
    from ex4d.mesh.dw_mesh import DWMesh
    from ex4d.raster.base import Rasterizer, Rendering

__all__ = ["Backdrop", "BackdropRenderer"]

_N_OTHER_FRAMES = 4  # looked through for every frame, spread evenly over the clip
_SOLID_ALPHA = 250  # of 255; a pixel that fades towards a hole is not taken from another frame
_SAME_DEPTH = 0.95  # a farther surface wins only by more than this: keeps the choice steady
_FREE = 0.97  # of the depth that the source sees: what is nearer would have hidden it
_REACH_PX = 6  # how far around a depth jump the background's colours are gathered
_BACKGROUND = 0.9  # of the farthest depth in reach


@dataclass(frozen=True)
class Backdrop:
    """Colours for places that the mask of the conditions does not show."""

    color: np.ndarray  # uint8 [T, H, W, 3], black where the mask is false
    mask: np.ndarray  # bool [T, H, W], true where a colour is known


@kernel
def _background_colors(rgb, depth, rgba):
    """Colours uint8 [H, W, 3] of the vertices, those of holes replaced by the background's."""
    height, width = depth.shape
    colors = rgb.copy()
    for row in range(height):
        for column in range(width):
            if rgba[row, column, 3] > 0:
                continue
            top, bottom = max(row - _REACH_PX, 0), min(row + _REACH_PX + 1, height)
            left, right = max(column - _REACH_PX, 0), min(column + _REACH_PX + 1, width)
            farthest = 0.0
            for i in range(top, bottom):
                for j in range(left, right):
                    if rgba[i, j, 3] > 0:
                        farthest = max(farthest, depth[i, j])
            total = np.zeros(4)
            for i in range(top, bottom):
                for j in range(left, right):
                    if rgba[i, j, 3] > 0 and depth[i, j] >= _BACKGROUND * farthest:
                        weight = 1.0 / (1.0 + (i - row) ** 2 + (j - column) ** 2)
                        total[3] += weight
                        for k in range(3):
                            total[k] += weight * rgb[i, j, k]
            if total[3] > 0:
                for k in range(3):
                    colors[row, column, k] = np.uint8(total[k] / total[3] + 0.5)
    return colors


@kernel
def _draw_faces(colors, topology, nearest, hole, picture):
    """Interpolate vertex colours [V, 3] over the faces in `hole` [H, W]; the border's are left.

    topology: (faces, on_border); nearest: (face, barycentric); picture: (color, mask), filled.
    """
    faces, on_border = topology
    face_of, barycentric = nearest
    color, mask = picture
    for row in range(hole.shape[0]):
        for column in range(hole.shape[1]):
            face = face_of[row, column]
            if not hole[row, column] or face < 0 or on_border[face]:
                continue
            b1, b2 = barycentric[row, column, 0], barycentric[row, column, 1]
            b0 = 1.0 - b1 - b2
            i0, i1, i2 = faces[face, 0], faces[face, 1], faces[face, 2]
            mask[row, column] = True
            for k in range(3):
                value = b0 * colors[i0, k] + b1 * colors[i1, k] + b2 * colors[i2, k] + 0.5
                color[row, column, k] = np.uint8(min(max(value, 0.0), 255.0))


@kernel
def _take_farthest(other, view, hole, picture, farthest):
    """Take what another frame shows in `hole` where it is the farthest so far.

    Nothing is taken that would stand where the source, in the shown frame, sees through.
    other: (rgba, disparity). view: (to_source [3, 4], depth [H, W]): the transform from (u z, v z,
    z, 1) of the output picture to that of the source's, and the depth there. picture: (color,
    mask), updated. farthest [H, W]: the disparity taken so far, updated.
    """
    rgba, disparity = other
    to_source, depth = view
    color, mask = picture
    for row in range(hole.shape[0]):
        for column in range(hole.shape[1]):
            alpha, seen = rgba[row, column, 3], disparity[row, column]
            if not hole[row, column] or alpha < _SOLID_ALPHA:
                continue
            if seen >= _SAME_DEPTH * farthest[row, column]:
                continue
            z = 1.0 / seen
            point = to_source[:, 0] * (column + 0.5) + to_source[:, 1] * (row + 0.5)
            point = (point + to_source[:, 2]) * z + to_source[:, 3]
            u, v = point[0] / point[2], point[1] / point[2]
            is_inside = point[2] > 0 and 0 <= u < depth.shape[1] and 0 <= v < depth.shape[0]
            if is_inside and point[2] < _FREE * depth[int(v), int(u)]:
                continue
            farthest[row, column] = seen
            mask[row, column] = True
            for k in range(3):
                value = rgba[row, column, k] * (255.0 / alpha) + 0.5
                color[row, column, k] = np.uint8(min(value, 255.0))


_Picture = tuple[np.ndarray, np.ndarray]  # colour uint8 [H, W, 3], mask bool [H, W]


@dataclass(frozen=True)
class _Backing:
    """A mesh whose occluders are coloured like the background beside them."""

    mesh: DWMesh
    colors: np.ndarray  # uint8 [V, 3]

    @classmethod
    def of(cls, scene: Scene, source_frame: int, mesh: DWMesh) -> _Backing:
        depth = scene.depth[source_frame]
        rgba = mesh.rgba.reshape(*depth.shape, 4)
        colors = _background_colors(scene.frames[source_frame], depth, rgba)
        return cls(mesh, colors.reshape(-1, 3))

    def draw(self, rendering: Rendering, hole: np.ndarray, picture: _Picture) -> None:
        """Draw what a picture of the mesh shows in `hole` [H, W], occluders too."""
        topology = self.mesh.topology.faces, self.mesh.topology.on_border
        nearest = rendering.face, rendering.barycentric
        _draw_faces(self.colors, topology, nearest, hole, picture)


class BackdropRenderer:
    """Draws the backdrop of single frames; may be called from several threads."""

    def __init__(self, scene: Scene, trajectory: Trajectory, rasterizer: Rasterizer) -> None:
        self._scene = scene
        self._trajectory = trajectory
        self._rasterizer = rasterizer
        self._plate: _Backing | None = None
        self._others: dict[int, DWMesh] = {}
        if trajectory.source_extrinsics is None:
            if (scene.intrinsics == scene.intrinsics[0]).all() and stands_still(scene.frames):
                frames, depth = clean_plate(scene.frames, scene.depth)
                plate = replace(scene, frames=frames, depth=depth, intrinsics=scene.intrinsics[:1])
                self._plate = _Backing.of(plate, 0, plate.mesh(0))
            return  # how a camera that is not tracked moved between two frames is not known
        n_frames = len(scene.frames)
        others = np.linspace(0, n_frames - 1, min(_N_OTHER_FRAMES, n_frames)).round().astype(int)
        self._others = {int(other): scene.mesh(int(other)) for other in others}

    def draw(
        self, frame: int, mesh: DWMesh, rendering: Rendering, mask: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The backdrop of one output frame: colour uint8 [H, W, 3] and mask bool [H, W].

        `mesh` is the source frame's, `rendering` its picture, `mask` [H, W] what that shows.
        """
        hole = ~mask
        picture = np.zeros((*mask.shape, 3), np.uint8), np.zeros(mask.shape, np.bool_)
        if not hole.any():
            return picture
        if self._plate is not None:
            camera = self._scene.camera(self._trajectory, frame, 0, antialias=False)
            self._plate.draw(self._rasterizer.render(self._plate.mesh, camera), hole, picture)
            return picture
        source_frame = int(self._trajectory.source_frames[frame])
        _Backing.of(self._scene, source_frame, mesh).draw(rendering, hole, picture)
        self._look_through_others(frame, hole, picture)
        return picture

    def _look_through_others(self, frame: int, hole: np.ndarray, picture: _Picture) -> None:
        source_frame = int(self._trajectory.source_frames[frame])
        view = self._to_source(frame, source_frame), self._scene.depth[source_frame]
        farthest = np.full(hole.shape, np.inf, np.float32)
        for other, mesh in self._others.items():
            if other == source_frame:
                continue
            camera = self._scene.camera(self._trajectory, frame, other, antialias=False)
            seen = self._rasterizer.render(mesh, camera)
            _take_farthest((seen.rgba, seen.disparity), view, hole, picture, farthest)

    def _to_source(self, frame: int, source_frame: int) -> np.ndarray:
        """The transform [3, 4] from (u z, v z, z, 1) of an output picture to the source's."""
        camera_to_source = np.linalg.inv(self._trajectory.between(frame, source_frame))
        unproject = np.eye(4)
        unproject[:3, :3] = np.linalg.inv(self._trajectory.intrinsics[frame])
        intrinsics = self._scene.intrinsics[source_frame]
        return np.asarray(intrinsics @ camera_to_source[:3] @ unproject)
