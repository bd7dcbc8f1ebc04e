"""What the backend reconstructs, and the vertices and faces that it stands for.

Vertices are pixels in Blender's axes, as the source camera at the origin sees them along +Y; the
outermost ring of pixels lies at the border depth. Faces are the blocks of 2x2 pixels, split along
the diagonal from bottom left to top right, and two cap triangles behind the ring.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ReconstructionError

if TYPE_CHECKING:
    from fractions import Fraction

__all__ = ["STRIDES", "Grid", "Reconstruction"]

STRIDES = (1, 2, 4)

_LEAST_SIDE_PX = 5  # a border ring around something
_CODES = 1 << 16


@dataclass(frozen=True)
class Reconstruction:
    """Depth and lens of every frame of a clip. Raises ReconstructionError when they do not fit."""

    disparity: np.ndarray  # uint16 [N, H, W]: 0 is disparity_min, 65535 disparity_max
    disparity_min: float  # 1 / z-depth
    disparity_max: float
    intrinsics: np.ndarray  # float64 [N, 3, 3] (given also as [3, 3]), pixels, centres at +0.5
    border_depth: float  # of the ring, beyond the farthest depth
    holes: np.ndarray  # bool [N, H, W], vertices of faces that span a depth jump
    fps: Fraction  # of the clip

    def __post_init__(self) -> None:
        shape = self.disparity.shape
        if len(shape) != 3 or shape[0] < 1 or self.disparity.dtype != np.uint16:
            raise ReconstructionError(
                f"Disparity must be uint16 [N, H, W]; it is {self.disparity.dtype} {list(shape)}."
            )
        if min(shape[1:]) < _LEAST_SIDE_PX:
            raise ReconstructionError(f"The frames are {shape[2]}x{shape[1]}; the least is 5x5.")
        if self.holes.shape != shape or self.holes.dtype != np.bool_:
            raise ReconstructionError(
                f"Holes must be bool {list(shape)}; they are {self.holes.dtype} "
                f"{list(self.holes.shape)}."
            )
        limits = (self.disparity_min, self.disparity_max, self.border_depth)
        if not (np.isfinite(limits).all() and 0 <= limits[0] <= limits[1] and limits[2] > 0):
            raise ReconstructionError(f"Disparity and border depth make no sense: {limits}.")
        if not self.fps > 0:
            raise ReconstructionError(f"The clip has {self.fps} frames per second.")
        self._check_intrinsics()

    def _check_intrinsics(self) -> None:
        intrinsics = np.asarray(self.intrinsics, np.float64)
        if intrinsics.shape == (3, 3):
            intrinsics = np.broadcast_to(intrinsics, (self.n_frames, 3, 3))
        if intrinsics.shape != (self.n_frames, 3, 3) or not np.isfinite(intrinsics).all():
            raise ReconstructionError(
                f"Intrinsics must be finite [{self.n_frames}, 3, 3]; "
                f"they are {list(intrinsics.shape)}."
            )
        if not (intrinsics[:, [0, 1], [0, 1]] > 0).all():
            raise ReconstructionError("A focal length in the intrinsics is not positive.")
        object.__setattr__(self, "intrinsics", intrinsics)

    @property
    def n_frames(self) -> int:
        """How many frames there are."""
        return int(self.disparity.shape[0])

    @property
    def size(self) -> tuple[int, int]:
        """(W, H) of the frames in pixels."""
        return int(self.disparity.shape[2]), int(self.disparity.shape[1])

    @cached_property
    def nearest_depth(self) -> float:
        """The nearest depth of the clip."""
        return float(self._depth_of_code[self.disparity.max()])

    @cached_property
    def _depth_of_code(self) -> np.ndarray:
        """Depth float32 of each of the 65536 codes; none lies behind the border."""
        disparity = np.linspace(self.disparity_min, self.disparity_max, _CODES)
        return (1 / np.maximum(disparity, 1 / self.border_depth)).astype(np.float32)

    def depth(self, frame: int) -> np.ndarray:
        """The z-depth float32 [H, W] of a frame, without the border ring."""
        return self._depth_of_code[self.disparity[frame]]

    def vertices(self, frame: int, grid: Grid) -> np.ndarray:
        """The positions float32 [rows * columns, 3] of a frame's vertices, in Blender's axes."""
        depth = self._depth_of_code[self.disparity[frame][grid.block]]
        depth[[0, -1], :] = self.border_depth
        depth[:, [0, -1]] = self.border_depth
        lens = self.intrinsics[frame]
        x = ((grid.columns + 0.5 - lens[0, 2]) / lens[0, 0]).astype(np.float32)
        y = ((grid.rows + 0.5 - lens[1, 2]) / lens[1, 1]).astype(np.float32)
        points = np.empty((*depth.shape, 3), np.float32)
        np.multiply(depth, x, out=points[..., 0])
        points[..., 1] = depth
        np.multiply(depth, -y[:, None], out=points[..., 2])
        return points.reshape(-1, 3)

    def hole_cells(self, frame: int, grid: Grid) -> np.ndarray:
        """Which blocks of the grid bool [rows - 1, columns - 1] hold a face that is a hole.

        A triangle is one when its three vertices are. The ring's blocks always are.
        """
        holes = self.holes[frame]
        diagonal = holes[1:, :-1] & holes[:-1, 1:]
        cells = diagonal & (holes[:-1, :-1] | holes[1:, 1:])
        cells[[0, -1], :] = True
        cells[:, [0, -1]] = True
        if grid.stride > 1:
            cells = np.logical_or.reduceat(cells, grid.rows[:-1], axis=0)
            cells = np.logical_or.reduceat(cells, grid.columns[:-1], axis=1)
        return cells


@dataclass(frozen=True)
class Grid:
    """Which pixels of a picture (W, H) are vertices: each `stride`-th of the inside, and always the
    border ring and the ring within it, so that the picture keeps its outline."""

    size: tuple[int, int]
    stride: int = 1

    def __post_init__(self) -> None:
        if self.stride not in STRIDES:
            raise ReconstructionError(f"The grid stride is {self.stride}; choose 1, 2 or 4.")

    @cached_property
    def columns(self) -> np.ndarray:
        """Pixel numbers of the columns, ascending."""
        return _kept(self.size[0], self.stride)

    @cached_property
    def rows(self) -> np.ndarray:
        """Pixel numbers of the rows, ascending."""
        return _kept(self.size[1], self.stride)

    @property
    def block(self) -> tuple[np.ndarray, ...]:
        """The index that takes the grid out of a picture [H, W]."""
        return np.ix_(self.rows, self.columns)

    @property
    def n_vertices(self) -> int:
        """How many vertices there are."""
        return len(self.rows) * len(self.columns)

    @property
    def cells(self) -> tuple[int, int]:
        """(columns, rows) of the blocks between vertices."""
        return len(self.columns) - 1, len(self.rows) - 1

    def quads(self) -> np.ndarray:
        """Vertex numbers int32 [Q, 4] of the blocks, row by row.

        They run counterclockwise as the source camera sees them, from the bottom left, so that
        Blender splits them as the backend does.
        """
        sides = len(self.rows), len(self.columns)
        number = np.arange(self.n_vertices, dtype=np.int32).reshape(sides)
        corners = (number[1:, :-1], number[1:, 1:], number[:-1, 1:], number[:-1, :-1])
        return np.stack(corners, axis=-1).reshape(-1, 4)

    def caps(self) -> np.ndarray:
        """Vertex numbers int32 [2, 3] of the triangles that close the mesh at the back."""
        last, right = self.n_vertices - 1, len(self.columns) - 1
        return np.array([[right, last, 0], [last, last - right, 0]], np.int32)

    def texture_coordinates(self) -> np.ndarray:
        """UV float32 [rows * columns, 2] of the vertices: pixel centres, v upwards."""
        width, height = self.size
        u, v = np.meshgrid((self.columns + 0.5) / width, 1 - (self.rows + 0.5) / height)
        return np.stack([u, v], axis=-1).reshape(-1, 2).astype(np.float32)


def _kept(side: int, stride: int) -> np.ndarray:
    inside = np.arange(1, side - 1, stride)
    return np.unique(np.concatenate([[0], inside, [side - 2, side - 1]]))
