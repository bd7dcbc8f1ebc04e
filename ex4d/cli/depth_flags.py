"""The flags that say where a clip's depth comes from, and what becomes of them."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ex4d.cli.console import progress_bars, say, say_fetched
from ex4d.depth.cleaning import FOR_ESTIMATES, FOR_FILES, DepthCleaning
from ex4d.depth.depth_files import open_depth
from ex4d.depth.estimate import estimate_depth
from ex4d.depth.estimators.catalogue import DEFAULT, ESTIMATORS, estimator_named
from ex4d.depth.estimators.loading import ready_estimator
from ex4d.depth.files import ClipDepth, Lens, read_depth
from ex4d.depth.reading import VALUE_KINDS, DepthReading
from ex4d.depth.sequence import find_pictures
from ex4d.errors import UsageError
from ex4d.files.names import names_in_words
from ex4d.files.picture_names import is_picture
from ex4d.weights.folder import default_folder

if TYPE_CHECKING:
    import argparse

    from ex4d.depth.depth_files import StoredDepth
    from ex4d.video.reader import Clip

__all__ = [
    "add_depth_flags",
    "check_depth_flags",
    "cleaning_of",
    "depth_files_of",
    "depth_of_clip",
    "fov_of_flags",
    "names_files",
    "reading_of",
]

_log = logging.getLogger(__name__)
_FULL_FRAME_MM = 36.0
_READING = ("values", "near", "far", "inverted", "scale", "offset", "layer")
_LENS_FROM = {
    "given": "as given",
    "depth": "from the depth",
    "assumed": "not known, a 35 mm lens is assumed; give --fov or --lens",
}


def add_depth_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of depth and lens, in two groups."""
    names = ", ".join(ESTIMATORS)
    add = parser.add_argument_group("depth").add_argument
    add("--depth", help=f"depth.npz; EXR or PNG pictures (folder, depth_####.exr); or {names} "
        f"(default {DEFAULT})")  # fmt: skip
    add("--depth_values", choices=VALUE_KINDS, default="depth", help="what files hold")
    add("--depth_near", type=float, help="files hold shares of a range: depth at its near end")
    add("--depth_far", type=float, help="depth at its far end")
    add("--depth_inverted", action="store_true", help="the range is stored the other way round")
    add("--depth_scale", type=float, default=1.0, help="times every value of the files")
    add("--depth_offset", type=float, default=0.0, help="added after that")
    add("--depth_layer", help="channel, layer, part or view of EXR files; default: depth, else Z")
    add("--clean_holes", type=float, help="0..1: unknown depth is background (default 1), or any")
    add("--clean_edges", type=float, help="0..1: remove flying pixels (default: 1 if estimated)")
    add("--sky_distance", type=float, help="nothing is farther; 0: off (default for files)")
    add("--commercial", action="store_true", help="refuse models that are not for paid work")
    lens = parser.add_argument_group("lens of the source camera")
    lens.add_argument("--fov", type=float, help="horizontal field of view, degrees")
    lens.add_argument("--lens", type=float, metavar="MM", help="focal length, mm")
    lens.add_argument("--sensor", type=float, metavar="MM", help="sensor width (default 36 mm)")


def check_depth_flags(arguments: argparse.Namespace) -> None:
    """Refuse what fits no clip, before any work. Raises UsageError."""
    reading_of(arguments)
    cleaning_of(arguments, FOR_FILES)
    fov_of_flags(arguments)
    if not names_files(arguments.depth):
        estimator_named(arguments.depth or DEFAULT, only_commercial=arguments.commercial)
        for name in _READING:
            if getattr(arguments, f"depth_{name}") != getattr(DepthReading(), name):
                raise UsageError(f"--depth_{name} is about depth files, and depth is estimated")


def fov_of_flags(arguments: argparse.Namespace) -> float | None:
    """The horizontal field of view that was given, degrees. Raises UsageError."""
    if arguments.fov is not None:
        if arguments.lens is not None or arguments.sensor is not None:
            raise UsageError("give the lens as --fov or as --lens with --sensor, not both")
        if not 1 <= arguments.fov <= 175:
            raise UsageError(f"--fov is {arguments.fov:g}; it must be 1 to 175 degrees")
        return float(arguments.fov)
    if arguments.lens is None:
        if arguments.sensor is not None:
            raise UsageError("--sensor tells nothing without --lens")
        return None
    sensor = _FULL_FRAME_MM if arguments.sensor is None else arguments.sensor
    if not (arguments.lens > 0 and sensor > 0):
        raise UsageError(f"--lens {arguments.lens:g} and --sensor {sensor:g} must be positive")
    fov_deg = 2 * math.degrees(math.atan(sensor / (2 * arguments.lens)))
    if not 1 <= fov_deg <= 175:
        raise UsageError(f"--lens {arguments.lens:g} is {fov_deg:.3g} degrees wide; 1 to 175 are")
    return fov_deg


def depth_of_clip(arguments: argparse.Namespace, clip: Clip, lens: Lens) -> ClipDepth:
    """Read or estimate the depth that the flags ask for; say what and with which lens.

    Raises Ex4dError.
    """
    given = _depth(arguments, clip, lens)
    width = clip.frames.shape[2]
    focal_px = given.intrinsics[0, 0, 0]
    fov_deg = 2 * math.degrees(math.atan(width / (2 * focal_px)))
    reason = _LENS_FROM[given.lens_from]
    if arguments.convention == "upstream" and fov_of_flags(arguments) is None:
        reason = "the public code's 500 px"
    say("lens", f"{reason}: f = {focal_px:.1f} px, {fov_deg:.1f} degrees wide")
    return given


def _depth(arguments: argparse.Namespace, clip: Clip, lens: Lens) -> ClipDepth:
    if names_files(arguments.depth):
        reading = reading_of(arguments)
        stored = open_depth(Path(arguments.depth), reading.layer)
        _say_unused(stored, arguments.source_camera)
        given = read_depth(
            stored,
            clip,
            lens,
            reading=reading,
            cleaning=cleaning_of(arguments, FOR_FILES),
        )
        filled = f", {given.unknown_share:.1%} unknown pixels filled" if given.unknown_share else ""
        say("depth", f"{arguments.depth}: {_range(given)}{filled}")
        if stored.said:
            say("", stored.said)
        for warning in given.warnings:
            _log.warning("%s", warning)
        return given
    entry = estimator_named(arguments.depth or DEFAULT, only_commercial=arguments.commercial)
    say("depth", f"{entry.label}, {entry.licence}")
    models = arguments.models or default_folder()
    estimator = ready_estimator(
        entry.name, models, only_commercial=arguments.commercial, report=say_fetched
    )
    usual = FOR_FILES if arguments.convention == "upstream" else FOR_ESTIMATES
    with progress_bars() as report:
        given = estimate_depth(
            estimator, clip.frames, lens, cleaning=cleaning_of(arguments, usual), report=report
        )
    say("", _range(given))
    return given


def _say_unused(stored: StoredDepth, source_camera: Path | None) -> None:
    """Name what else is in the file, and how a camera path there would be used."""
    if stored.others:
        path, more = stored.path, ""
        if "extrinsics" in stored.others and source_camera is None:
            more = f"; --source_camera {path} takes its extrinsics as the source camera's path"
        _log.info("%s also holds %s: not used%s", path, names_in_words(stored.others), more)


def names_files(depth: str | None) -> bool:
    """Whether --depth names files. Raises UsageError when it can name nothing."""
    if depth is None or depth in ESTIMATORS:
        return False
    path = Path(depth)
    if path.exists() or path.suffix.lower() == ".npz" or is_picture(path.name):
        return True
    raise UsageError(
        f"unknown depth {depth!r}: give a depth.npz, a folder of EXR or PNG pictures, "
        f"or one of {', '.join(ESTIMATORS)}"
    )


def depth_files_of(arguments: argparse.Namespace) -> list[Path]:
    """The files that --depth names; none when depth is estimated. Raises Ex4dError."""
    if not names_files(arguments.depth):
        return []
    path = Path(arguments.depth)
    return find_pictures(path) or [path]


def reading_of(arguments: argparse.Namespace) -> DepthReading:
    """How the flags say that files are read. Raises UsageError."""
    return DepthReading(**{name: getattr(arguments, f"depth_{name}") for name in _READING})


def cleaning_of(arguments: argparse.Namespace, usual: DepthCleaning) -> DepthCleaning:
    """The usual cleaning with what the flags change. Raises UsageError."""
    given = {
        "holes": arguments.clean_holes,
        "edges": arguments.clean_edges,
        "sky_distance": arguments.sky_distance,
    }
    return replace(usual, **{name: value for name, value in given.items() if value is not None})


def _range(given: ClipDepth) -> str:
    return f"{given.depth.min():.4g} to {given.depth.max():.4g}"
