"""`DW-Mesh.usdc`: the animated mesh of a clip with texture coordinates, for any 3D program.

USD's axes are used: x right, y up, the source camera looks along -z.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ex4d.errors import MissingPartError, OutputError
from ex4d.files.outputs import atomic_path
from ex4d.mesh.dw_mesh import DWMesh

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pxr import Usd

__all__ = ["MeshOfFrame", "check_usd", "write_usd"]

_USD_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])

# A mesh and its transform [4, 4] to the world, by frame number.
MeshOfFrame = Callable[[int], tuple[DWMesh, np.ndarray]]


def write_usd(
    path: Path, mesh_of_frame: MeshOfFrame, n_frames: int, *, size: tuple[int, int], fps: float
) -> None:
    """Write the meshes of `n_frames` as one animated USD mesh; `size` is (W, H) of the frames.

    The texture coordinates `st` lay the source frame on the mesh. Raises MissingPartError without
    the package usd-core, and OutputError.
    """
    check_usd()
    from pxr import Tf, Usd

    with atomic_path(Path(path)) as temporary, _named_in_utf_8(temporary) as name:
        try:
            stage = Usd.Stage.CreateNew(name)
            _set_times(stage, n_frames, fps)
            _define_mesh(stage, mesh_of_frame, n_frames, size)
            stage.Save()
        except Tf.ErrorException as error:  # a full disk too
            reasons = re.findall(r": '(.+)'$", str(error), re.MULTILINE) or ["USD reports an error"]
            raise OutputError(f"{path} cannot be written: {reasons[0]}") from error


@contextmanager
def _named_in_utf_8(path: Path) -> Iterator[str]:
    """The path of a file to write, or of one that is copied there: USD takes no other names."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory() as folder:
            written = Path(folder) / f"mesh{path.suffix}"
            yield str(written)
            shutil.copyfile(written, path)
    else:
        yield str(path)


def check_usd() -> None:
    """Raise MissingPartError when the package usd-core is missing."""
    if importlib.util.find_spec("pxr") is None:
        raise MissingPartError(
            "writing USD needs the package usd-core", advice='pip install "ex4d[usd]"'
        )


def _set_times(stage: Usd.Stage, n_frames: int, fps: float) -> None:
    from pxr import UsdGeom

    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.SetStartTimeCode(0)
    stage.SetEndTimeCode(n_frames - 1)
    stage.SetTimeCodesPerSecond(fps)
    stage.SetFramesPerSecond(fps)


def _define_mesh(
    stage: Usd.Stage, mesh_of_frame: MeshOfFrame, n_frames: int, size: tuple[int, int]
) -> None:
    from pxr import Sdf, UsdGeom, Vt

    geometry = UsdGeom.Mesh.Define(stage, "/DWMesh")
    stage.SetDefaultPrim(geometry.GetPrim())
    geometry.CreateSubdivisionSchemeAttr("none")
    points = geometry.CreatePointsAttr()
    for frame in range(n_frames):
        mesh, mesh_to_world = mesh_of_frame(frame)
        turned = _USD_FROM_OPENCV @ mesh_to_world
        positions = mesh.vertices @ turned[:3, :3].T + turned[:3, 3]
        points.Set(Vt.Vec3fArray.FromNumpy(positions.astype(np.float32)), frame)
        if frame == 0:
            faces = mesh.topology.faces
            corners = Vt.IntArray.FromNumpy(np.ascontiguousarray(faces.ravel()))
            geometry.CreateFaceVertexIndicesAttr(corners)
            counts = Vt.IntArray.FromNumpy(np.full(len(faces), 3, np.int32))
            geometry.CreateFaceVertexCountsAttr(counts)
    texture = UsdGeom.PrimvarsAPI(geometry).CreatePrimvar(
        "st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.vertex
    )
    texture.Set(Vt.Vec2fArray.FromNumpy(_texture_coordinates(*size)))


def _texture_coordinates(width: int, height: int) -> np.ndarray:
    """Texture coordinates float32 [H * W, 2] of the pixel centres; (0, 0) is the lower left."""
    s, t = np.meshgrid((np.arange(width) + 0.5) / width, 1 - (np.arange(height) + 0.5) / height)
    return np.stack([s, t], axis=-1).reshape(-1, 2).astype(np.float32)
