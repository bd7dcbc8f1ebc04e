"""recon: from a video and its depth to conditions along a camera path"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ex4d.camera.files import read_source_camera, read_trajectory, write_trajectory
from ex4d.camera.presets import PRESETS, orbit_radius, preset_path
from ex4d.camera.trajectory import Trajectory
from ex4d.cli.clip_flags import add_clip_flags, clip_reading_of, files_of, frames_of
from ex4d.cli.console import progress_bar, say
from ex4d.cli.depth_flags import (
    add_depth_flags,
    check_depth_flags,
    depth_files_of,
    depth_of_clip,
    fov_of_flags,
)
from ex4d.conditions.files import KINDS, color_of, mask_of, write_conditions, write_frames
from ex4d.conditions.render import Conditions, render_conditions
from ex4d.conditions.scene import Scene
from ex4d.convention import CONVENTIONS, Convention, convention_named
from ex4d.depth.exr import write_exr
from ex4d.depth.files import Lens, write_depth
from ex4d.errors import UsageError
from ex4d.files.manifest import Run
from ex4d.files.outputs import staged_folder
from ex4d.mesh.ply import write_ply
from ex4d.mesh.usd import check_usd, write_usd
from ex4d.raster.choose import RASTERIZERS, make_rasterizer
from ex4d.video.encoder import check_rate
from ex4d.video.reader import Clip, read_clip

if TYPE_CHECKING:
    import argparse
    from fractions import Fraction

    from ex4d.depth.files import ClipDepth

__all__ = ["add_arguments", "run"]

_log = logging.getLogger(__name__)
_NOT_OF_THE_SOURCE = {
    *("command", "run", "output_dir", "models", "rasterizer", "cam", "camera", "mesh_frame"),
    *("save_mesh", "save_depth", "save_camera", "save_frames", "commercial", "conditions_as"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    add = parser.add_argument
    add_clip_flags(parser)
    add(
        "--output_dir",
        required=True,
        type=Path,
        help="folder for the results; keeps what is not ex4d's",
    )
    add_depth_flags(parser)
    add("--models", type=Path, help="folder of the estimators' weights; default: $EX4D_MODELS")
    add("--source_camera", type=Path, help="camera.npz with the source camera's own path, solved")
    path = parser.add_mutually_exclusive_group()
    path.add_argument("--cam", default="30", help=f"{PRESETS} (default 30)")
    path.add_argument("--camera", type=Path, help="camera.npz with a path of your own")
    add("--conditions_as", choices=KINDS, default="mp4", help="or pictures, 16 bit or half float")
    add("--save_mesh", nargs="?", const="ply", choices=("ply", "usd"), help="DW-Mesh.ply or .usdc")
    add("--mesh_frame", type=int, help="that DW-Mesh.ply shows; default: the clip's first")
    add("--save_depth", nargs="?", const="npz", choices=("npz", "exr"), help="as it was used")
    add("--save_camera", action="store_true", help="write camera_<cam>.npz")
    add("--save_frames", action="store_true", help="write conditions_<cam>.npz, without any loss")
    add("--min_face_angle", type=float, default=2.5, help="faces below it are holes, degrees")
    add("--rasterizer", choices=RASTERIZERS, default="auto", help="nvdiffrast: non-commercial")
    add(
        "--convention", choices=tuple(CONVENTIONS), default="exact", help="upstream: for comparison"
    )


def run(arguments: argparse.Namespace) -> int:
    """Make the conditions; all files appear at the end, or none."""
    convention, name = convention_named(arguments.convention), _name_of(arguments)
    _check(arguments)
    rasterizer = make_rasterizer(arguments.rasterizer)
    with staged_folder(arguments.output_dir, _run_of(arguments), _planned(arguments)) as folder:
        clip = _read_clip(arguments)
        solved = None
        if arguments.source_camera is not None:
            solved = read_source_camera(arguments.source_camera, clip)
        given = depth_of_clip(arguments, clip, _lens_of(arguments, clip, solved, convention))
        scene = Scene(
            clip.frames, given.depth, given.intrinsics, arguments.min_face_angle, convention
        )
        source = given.world_to_camera if solved is None else solved.world_to_camera
        trajectory = _trajectory(arguments, clip, scene, source)
        started = time.monotonic()
        with progress_bar("render") as progress:
            conditions = render_conditions(
                scene, trajectory, rasterizer, with_backdrop=True, progress=progress
            )
        _say_rendered(conditions, clip, rasterizer.name, time.monotonic() - started)
        kind, number = arguments.conditions_as, clip.start_number
        write_conditions(folder, name, conditions, clip.fps, kind=kind, first_number=number)
        if arguments.save_frames:
            write_frames(folder, name, conditions, trajectory)
        if arguments.save_depth:
            _write_depth(arguments.save_depth, folder, given, clip.start_number or 0)
        if arguments.save_camera:
            write_trajectory(folder / f"camera_{name}.npz", trajectory)
        if arguments.save_mesh:
            _write_mesh(arguments, folder, scene, trajectory, clip)
        names = sorted(path.name for path in folder.iterdir())  # all of them, before they move
    say("wrote", f"{arguments.output_dir}: {', '.join(names)}")
    return 0


def _run_of(arguments: argparse.Namespace) -> Run:
    """What tells the files of this camera path from others, and which files must stay."""
    reads = [*files_of(arguments.input_video), *depth_files_of(arguments)]
    reads += [path for path in (arguments.camera, arguments.source_camera) if path is not None]
    settings = {
        name: str(value)
        for name, value in vars(arguments).items()
        if name not in _NOT_OF_THE_SOURCE and value is not None
    }
    return Run("recon", _name_of(arguments), settings, tuple(reads))


def _planned(arguments: argparse.Namespace) -> list[str]:
    """The names of the files that will be written."""
    name = _name_of(arguments)
    kind = arguments.conditions_as
    names = [color_of(name, kind), mask_of(name, kind), f"backdrop_{name}.npz"]
    names += [f"conditions_{name}.npz"] if arguments.save_frames else []
    names += [f"camera_{name}.npz"] if arguments.save_camera else []
    if arguments.save_depth:
        names.append("depth.npz" if arguments.save_depth == "npz" else "depth/")
    if arguments.save_mesh:
        names.append("DW-Mesh.usdc" if arguments.save_mesh == "usd" else "DW-Mesh.ply")
    return names


def _name_of(arguments: argparse.Namespace) -> str:
    """What the camera path is called in the names of files."""
    if arguments.camera is not None:
        return str(arguments.camera.stem)
    return str(arguments.cam).lstrip("+")


def _check(arguments: argparse.Namespace) -> None:
    """Refuse numbers that no clip can satisfy, before any work."""
    check_depth_flags(arguments)
    if not 0 <= arguments.min_face_angle < 60:
        raise UsageError(f"--min_face_angle is {arguments.min_face_angle:g}; it must be 0 to 60")
    if arguments.camera is None:
        preset_path(arguments.cam, 2, 1.0)  # an unknown name fails here
    if arguments.save_mesh == "usd":
        check_usd()


def _read_clip(arguments: argparse.Namespace) -> Clip:
    clip = read_clip(
        arguments.input_video,
        frames_of(arguments),
        width=arguments.width,
        height=arguments.height,
        reading=clip_reading_of(arguments),
    )
    n_frames, height, width = clip.frames.shape[:3]
    given = f"{clip.native_size[0]}x{clip.native_size[1]}, {clip.n_file_frames} frames"
    those = "" if clip.first_number is None else f" {clip.numbers[0]} to {clip.numbers[-1]}"
    say(
        "clip",
        f"{clip.path} ({given}): {n_frames} frames{those} of {width}x{height}, {_rate(clip.fps)}",
    )
    for note in clip.notes:
        _log.warning("%s", note)
    check_rate(clip.fps)  # before the work
    _mesh_frame(arguments, clip)
    return clip


def _mesh_frame(arguments: argparse.Namespace, clip: Clip) -> int:
    """Which of the clip's frames --mesh_frame means: pictures by their own numbers. Raises
    UsageError."""
    frame: int | None = arguments.mesh_frame
    n_frames = len(clip.frames)
    numbers = list(range(n_frames)) if clip.first_number is None else clip.numbers.tolist()
    if frame is None:
        return 0
    if frame not in numbers:
        raise UsageError(
            f"--mesh_frame is {frame}; the clip has frames {numbers[0]} to {numbers[-1]}"
        )
    return numbers.index(frame)


def _rate(fps: Fraction) -> str:
    return f"{float(fps):.6g} frames a second"


def _lens_of(
    arguments: argparse.Namespace, clip: Clip, solved: Trajectory | None, convention: Convention
) -> Lens:
    """What is known of the lens beside the depth: by the flags, else by the solved camera."""
    lens = Lens.of(clip, fov_of_flags(arguments), convention)
    return lens if solved is None else lens.or_solved(solved.intrinsics, solved.size, clip)


def _trajectory(
    arguments: argparse.Namespace, clip: Clip, scene: Scene, source: np.ndarray | None
) -> Trajectory:
    """The camera path; `source` is the source camera's own path."""
    if arguments.camera is not None:
        trajectory = read_trajectory(arguments.camera, clip)
        if trajectory.source_extrinsics is None:
            trajectory = replace(trajectory, source_extrinsics=source)
        elif arguments.source_camera is not None:
            raise UsageError(
                f"{arguments.camera} holds the source camera's path; leave out --source_camera"
            )
        width, height = trajectory.size
        say("camera", f"{arguments.camera}: {len(trajectory)} frames of {width}x{height}")
        return trajectory
    n_frames, height, width = scene.frames.shape[:3]
    radius = orbit_radius(scene.depth[0], scene.convention)
    poses = preset_path(arguments.cam, n_frames, radius, scene.convention)
    if source is not None:
        poses = poses @ source[0]  # as seen from where the source camera begins
    say("camera", f"preset {arguments.cam}, centre at depth {radius:.4g}")
    trajectory = Trajectory(poses, scene.intrinsics, (width, height), source_extrinsics=source)
    return trajectory


def _say_rendered(conditions: Conditions, clip: Clip, rasterizer: str, seconds: float) -> None:
    shares = conditions.mask.mean(axis=(1, 2))
    if not shares.any():
        _log.warning("the camera never sees the source; no preview can be made of this path")
    say(
        "render",
        f"{rasterizer} rasterizer, {seconds:.1f} s; the source shows {shares.mean():.0%} of the "
        f"picture, at least {shares.min():.0%} "
        f"(frame {shares.argmin() + (clip.start_number or 0)})",
    )


def _write_depth(kind: str, folder: Path, given: ClipDepth, first_number: int) -> None:
    if kind == "npz":
        write_depth(folder / "depth.npz", given)
        return
    pictures = folder / "depth"
    pictures.mkdir()
    for number, frame in enumerate(given.depth, start=first_number):
        write_exr(pictures / f"depth_{number:04d}.exr", frame)


def _write_mesh(
    arguments: argparse.Namespace,
    folder: Path,
    scene: Scene,
    trajectory: Trajectory,
    clip: Clip,
) -> None:
    n_frames, height, width = scene.frames.shape[:3]

    def to_world(frame: int) -> np.ndarray:
        if trajectory.source_extrinsics is None:
            return np.eye(4)
        return np.linalg.inv(trajectory.source_extrinsics[frame])

    if arguments.save_mesh == "usd":
        write_usd(
            folder / "DW-Mesh.usdc",
            lambda frame: (scene.mesh(frame), to_world(frame)),
            n_frames,
            size=(width, height),
            fps=float(clip.fps),
        )
        return
    frame = _mesh_frame(arguments, clip)
    write_ply(folder / "DW-Mesh.ply", scene.mesh(frame), to_world(frame))
