"""The clip that the panel describes, and the clip that a mesh was made of."""

from __future__ import annotations

import json
import math
import os.path
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import bpy

from ...protocol.limits import NARROWEST_FOV_DEG, WIDEST_FOV_DEG
from ..errors import SettingsError
from ..extension import preferences
from ..jobs.requests import CleaningSettings, ClipSource, ReadingSettings, clip_source_from
from .footage import find_footage
from .paths import stored_path

if TYPE_CHECKING:
    from pathlib import Path

    from ..scene.depth_properties import Ex4dDepth
    from ..scene.properties import Ex4dShot

__all__ = ["clip_source", "mesh_source", "remember_source", "show_source"]

_SKIES = {"OFF": 0.0, "AUTO": None}
_FILES = ("clip", "depth", "solved_camera")  # of a source, as paths


def clip_source(shot: Ex4dShot) -> ClipSource:
    """The clip that the panel describes; its solved camera is the caller's to add. Raises
    SettingsError for a lens that cannot be."""
    depth = shot.depth
    is_file = depth.kind == "FILE"
    return ClipSource(
        os.path.normpath(bpy.path.abspath(shot.clip)),
        os.path.normpath(bpy.path.abspath(depth.file)) if is_file else "",
        shot.start_frame - shot.clip_first,
        shot.stride,
        shot.num_frames,
        _fov_deg(shot),
        "" if is_file else depth.estimator,
        preferences().only_commercial,
        _reading(depth) if is_file else None,
        _cleaning(depth),
        hdr=shot.hdr.lower(),
        deinterlace=shot.deinterlace and not shot.is_sequence,
        fps=_given_rate(shot),
        layer=shot.layer.strip() or None if shot.is_sequence else None,
    )


def _given_rate(shot: Ex4dShot) -> float | None:
    """The rate of pictures that was given, with the digits that an artist sees: 23.976 is so kept
    by Blender that it would be another rate."""
    if not shot.is_sequence or not shot.fps:
        return None
    for rate in (24000 / 1001, 30000 / 1001, 60000 / 1001):
        if abs(shot.fps - rate) < 0.005:
            return rate
    return round(shot.fps, 4)


def _fov_deg(shot: Ex4dShot) -> float | None:
    """The horizontal field of view that was given. Raises SettingsError where none can be so."""
    if shot.lens_kind == "FOV":
        return math.degrees(shot.fov)
    if shot.lens_kind == "MM":
        fov_deg = 2 * math.degrees(math.atan(shot.sensor_mm / (2 * shot.lens_mm)))
        if not NARROWEST_FOV_DEG <= fov_deg <= WIDEST_FOV_DEG:
            raise SettingsError(
                f"A lens of {shot.lens_mm:g} mm on a sensor of {shot.sensor_mm:g} mm sees "
                f"{fov_deg:.3g} degrees; from {NARROWEST_FOV_DEG} to {WIDEST_FOV_DEG} can be."
            )
        return fov_deg
    return None


def _reading(depth: Ex4dDepth) -> ReadingSettings | None:
    """How the files are read; None: as they stand."""
    given = ReadingSettings(
        depth.values,
        depth.near if depth.use_range else None,
        depth.far if depth.use_range else None,
        depth.use_range and depth.inverted,
        depth.scale,
        depth.offset,
        depth.layer.strip() or None,
    )
    return None if given == ReadingSettings() else given


def _cleaning(depth: Ex4dDepth) -> CleaningSettings | None:
    """What is mended; None: as usual."""
    if depth.cleaning == "USUAL":
        return None
    return CleaningSettings(depth.holes, depth.edges, _SKIES.get(depth.sky, depth.sky_distance))


def remember_source(root: bpy.types.Object, source: ClipSource, folder: Path) -> None:
    """Note on a mesh what it was made of, as its takes are rendered: an estimate is a file now."""
    if not source.depth:
        made = str(folder / "depth.npz")
        source = replace(source, depth=made, reading=None, cleaning=None, estimator="")
    absolute = {name: getattr(source, name) for name in _FILES}
    absolute["stored_folder"] = stored_path(folder)  # tells where these paths are relative to
    stored = {name: stored_path(path) if (path := absolute[name]) else "" for name in _FILES}
    root["ex4d_source"] = json.dumps(asdict(_with_files(source, stored)))
    root["ex4d_made_of"] = json.dumps(absolute)


def mesh_source(mesh: bpy.types.Object) -> ClipSource:
    """The clip that a mesh was made of, whatever the panel says now. Raises SettingsError."""
    try:
        source = clip_source_from(json.loads(mesh["ex4d_source"]))
        made_of = json.loads(mesh["ex4d_made_of"])
        stored = {name: getattr(source, name) for name in _FILES}
        return _with_files(source, find_footage(mesh, stored, made_of))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SettingsError(
            f"{mesh.name!r} does not say which clip it was made of: reconstruct again."
        ) from error


def _with_files(source: ClipSource, files: dict[str, str]) -> ClipSource:
    """A source with other paths, by their names in _FILES."""
    clip, depth, solved_camera = (files[name] for name in _FILES)
    return replace(source, clip=clip, depth=depth, solved_camera=solved_camera)


def show_source(shot: Ex4dShot, source: ClipSource) -> None:
    """Set the panel to a source."""
    shot.clip = stored_path(source.clip)
    shot.start_frame, shot.stride = source.start_frame + shot.clip_first, source.stride
    shot.fps, shot.layer = source.fps or 0, source.layer or ""
    shot.num_frames = source.num_frames
    shot.hdr, shot.deinterlace = source.hdr.upper(), source.deinterlace
    shot.lens_kind = "KNOWN" if source.fov_deg is None else "FOV"
    if source.fov_deg is not None:
        shot.fov = math.radians(source.fov_deg)
    depth = shot.depth
    depth.kind = "FILE" if source.depth else "ESTIMATE"
    depth.file, depth.estimator = stored_path(source.depth), source.estimator
    reading = source.reading or ReadingSettings()
    depth.use_range = reading.near is not None
    if reading.near is not None and reading.far is not None:
        depth.near, depth.far = reading.near, reading.far
    for name in ("values", "inverted", "scale", "offset"):
        setattr(depth, name, getattr(reading, name))
    depth.layer = reading.layer or ""
    depth.cleaning = "USUAL" if source.cleaning is None else "OWN"
    if source.cleaning is not None:
        depth.holes, depth.edges = source.cleaning.holes, source.cleaning.edges
        distance = source.cleaning.sky_distance
        depth.sky = {None: "AUTO", 0.0: "OFF"}.get(distance, "DISTANCE")
        depth.sky_distance = distance or depth.sky_distance
