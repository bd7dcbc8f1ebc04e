"""recon: from a video and its depth to conditions along a camera path"""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ex4d.camera.files import read_trajectory, write_trajectory
from ex4d.camera.presets import PRESETS, orbit_radius, preset_path
from ex4d.camera.trajectory import Trajectory
from ex4d.cli.console import progress_bar, say
from ex4d.conditions.files import write_conditions, write_frames
from ex4d.conditions.render import Conditions, render_conditions
from ex4d.conditions.scene import Scene
from ex4d.convention import CONVENTIONS, Convention, convention_named
from ex4d.depth.files import ClipDepth, depth_file, read_depth
from ex4d.errors import UsageError
from ex4d.mesh.ply import write_ply
from ex4d.mesh.usd import check_usd, write_usd
from ex4d.outputs import staged_folder
from ex4d.raster.choose import RASTERIZERS, make_rasterizer
from ex4d.video.reader import Clip, FrameRange, read_clip

if TYPE_CHECKING:
    import argparse
    from fractions import Fraction

__all__ = ["add_arguments", "run"]

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    add = parser.add_argument
    add("--input_video", required=True, type=Path, help="any video that FFmpeg reads")
    add("--output_dir", required=True, type=Path, help="folder for the results")
    add("--depth", help="depth.npz with the clip's depth")
    path = parser.add_mutually_exclusive_group()
    path.add_argument("--cam", default="30", help=f"{PRESETS} (default 30)")
    path.add_argument("--camera", type=Path, help="camera.npz with a path of your own")
    add("--num_frames", type=int, default=49, help="at most so many frames (default 49)")
    add("--start_frame", type=int, default=0, help="first frame, counted from 0")
    add("--stride", type=int, default=1, help="take every n-th frame")
    add("--width", type=int, help="working width; default: the video's, at most 1024")
    add("--height", type=int, help="working height")
    add("--fov", type=float, help="horizontal field of view of the source's lens, degrees")
    add("--save_mesh", nargs="?", const="ply", choices=("ply", "usd"), help="DW-Mesh.ply or .usdc")
    add("--mesh_frame", type=int, default=0, help="the frame that DW-Mesh.ply shows")
    add("--save_camera", action="store_true", help="write camera_<cam>.npz")
    add("--save_frames", action="store_true", help="write conditions_<cam>.npz, without any loss")
    add("--min_face_angle", type=float, default=2.5, help="faces below it are holes, degrees")
    add("--rasterizer", choices=RASTERIZERS, default="auto", help="nvdiffrast: non-commercial")
    add(
        "--convention", choices=tuple(CONVENTIONS), default="exact", help="upstream: for comparison"
    )


def run(arguments: argparse.Namespace) -> int:
    """Make the conditions; all files appear at the end, or none."""
    convention = convention_named(arguments.convention)
    _check(arguments)
    rasterizer = make_rasterizer(arguments.rasterizer)
    with staged_folder(arguments.output_dir) as folder:
        clip = _read_clip(arguments)
        scene = _scene(arguments, clip, convention)
        name, trajectory = _trajectory(arguments, clip, scene)
        started = time.monotonic()
        with progress_bar("render") as progress:
            conditions = render_conditions(
                scene, trajectory, rasterizer, with_backdrop=True, progress=progress
            )
        _say_rendered(conditions, rasterizer.name, time.monotonic() - started)
        write_conditions(folder, name, conditions, clip.fps)
        if arguments.save_frames:
            write_frames(folder, name, conditions, trajectory)
        if arguments.save_camera:
            write_trajectory(folder / f"camera_{name}.npz", trajectory)
        if arguments.save_mesh:
            _write_mesh(arguments, folder, scene, trajectory, clip.fps)
        names = sorted(path.name for path in folder.iterdir())
    say("wrote", f"{arguments.output_dir}: {', '.join(names)}")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Refuse numbers that no clip can satisfy, before any work."""
    if arguments.fov is not None and not 1 <= arguments.fov <= 175:
        raise UsageError(f"--fov is {arguments.fov:g}; it must be 1 to 175 degrees")
    if not 0 <= arguments.min_face_angle < 60:
        raise UsageError(f"--min_face_angle is {arguments.min_face_angle:g}; it must be 0 to 60")
    if arguments.depth is None:
        raise UsageError("give --depth depth.npz: there is no depth estimator in this version yet")
    if arguments.camera is None:
        preset_path(arguments.cam, 2, 1.0)  # an unknown name fails here
    if arguments.save_mesh == "usd":
        check_usd()


def _read_clip(arguments: argparse.Namespace) -> Clip:
    frames = FrameRange(arguments.start_frame, arguments.stride, arguments.num_frames)
    clip = read_clip(arguments.input_video, frames, width=arguments.width, height=arguments.height)
    n_frames, height, width = clip.frames.shape[:3]
    given = f"{clip.native_size[0]}x{clip.native_size[1]}, {clip.n_file_frames} frames"
    say("clip", f"{clip.path} ({given}): {n_frames} frames of {width}x{height}, {_rate(clip.fps)}")
    if not 0 <= arguments.mesh_frame < n_frames:
        raise UsageError(
            f"--mesh_frame is {arguments.mesh_frame}; the clip has frames 0 to {n_frames - 1}"
        )
    return clip


def _rate(fps: Fraction) -> str:
    return f"{float(fps):.6g} frames a second"


def _scene(arguments: argparse.Namespace, clip: Clip, convention: Convention) -> Scene:
    path = depth_file(arguments.depth)
    given = read_depth(path, clip)
    intrinsics, reason = _intrinsics(arguments, clip, given, convention)
    scene = Scene(clip.frames, given.depth, intrinsics, arguments.min_face_angle, convention)
    nearest, farthest = scene.depth_range
    filled = f", {given.unknown_share:.1%} unknown pixels filled" if given.unknown_share else ""
    say("depth", f"{path}: {nearest:.4g} to {farthest:.4g}{filled}")
    say("lens", reason)
    return scene


def _intrinsics(
    arguments: argparse.Namespace, clip: Clip, given: ClipDepth, convention: Convention
) -> tuple[np.ndarray, str]:
    """The source camera's intrinsics [N, 3, 3], and where they come from."""
    n_frames, height, width = clip.frames.shape[:3]
    if arguments.fov is not None:
        reason = "from --fov"
    elif convention.is_upstream:
        reason = "the public code's 500 px"
    elif given.intrinsics is not None:
        return given.intrinsics, f"from {arguments.depth}: {_lens(given.intrinsics[0], width)}"
    else:
        reason = "not known, a 35 mm lens is assumed; give --fov"
    matrix = convention.assumed_intrinsics(clip.native_size, (width, height), arguments.fov)
    return np.broadcast_to(matrix, (n_frames, 3, 3)), f"{reason}: {_lens(matrix, width)}"


def _lens(intrinsics: np.ndarray, width: int) -> str:
    fov_deg = 2 * math.degrees(math.atan(width / (2 * intrinsics[0, 0])))
    return f"f = {intrinsics[0, 0]:.1f} px, {fov_deg:.1f} degrees wide"


def _trajectory(arguments: argparse.Namespace, clip: Clip, scene: Scene) -> tuple[str, Trajectory]:
    """The camera path and its name in the files."""
    if arguments.camera is not None:
        trajectory = read_trajectory(arguments.camera, clip)
        width, height = trajectory.size
        say("camera", f"{arguments.camera}: {len(trajectory)} frames of {width}x{height}")
        return arguments.camera.stem, trajectory
    n_frames, height, width = scene.frames.shape[:3]
    radius = orbit_radius(scene.depth[0], scene.convention)
    poses = preset_path(arguments.cam, n_frames, radius, scene.convention)
    say("camera", f"preset {arguments.cam}, centre at depth {radius:.4g}")
    return arguments.cam.lstrip("+"), Trajectory(poses, scene.intrinsics, (width, height))


def _say_rendered(conditions: Conditions, rasterizer: str, seconds: float) -> None:
    shares = conditions.mask.mean(axis=(1, 2))
    if not shares.any():
        _log.warning("the camera never sees the source; no preview can be made of this path")
    say(
        "render",
        f"{rasterizer} rasterizer, {seconds:.1f} s; the source shows {shares.mean():.0%} of the "
        f"picture, at least {shares.min():.0%} (frame {shares.argmin()})",
    )


def _write_mesh(
    arguments: argparse.Namespace,
    folder: Path,
    scene: Scene,
    trajectory: Trajectory,
    fps: Fraction,
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
            fps=float(fps),
        )
        return
    frame = arguments.mesh_frame
    write_ply(folder / "DW-Mesh.ply", scene.mesh(frame), to_world(frame))
