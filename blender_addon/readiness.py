"""What each step of the panel still needs, as a sentence; empty when it can go.

The buttons are grey with this reason, and the panel shows it.
"""

from __future__ import annotations

import json
import math
import os.path
from dataclasses import replace
from typing import TYPE_CHECKING

import bpy

from .endpoint import why_offline
from .errors import SettingsError
from .paths import found_path
from .requests import ClipSource, FinalSettings

if TYPE_CHECKING:
    from .connection import Connection

__all__ = [
    "ENGINES",
    "clip_source",
    "final_settings",
    "mesh_source",
    "seed_of",
    "why_no_clip",
    "why_no_path",
    "why_no_reconstruction",
    "why_no_render",
    "why_no_server",
]

ENGINES = {"DRAFT": "preview", "FINAL": "wan"}


def why_no_server(endpoint: str) -> str:
    """Why the server cannot be asked."""
    return why_offline(endpoint, online_access=bpy.app.online_access)


def why_no_clip(settings: bpy.types.PropertyGroup) -> str:
    """Why the clip is not ready to be sent."""
    if not settings.clip:
        return "Choose a clip."
    if not os.path.isfile(bpy.path.abspath(settings.clip)):  # never raises
        return "There is no such clip."
    if not settings.clip_frames:
        return "Blender cannot read the clip."
    if not settings.depth:
        return "Choose the clip's depth file."
    depth = bpy.path.abspath(settings.depth)
    if not os.path.isfile(depth):
        return "There is no such depth file."
    if not depth.lower().endswith(".npz"):
        return "The depth file must be a .npz file."
    last = settings.start_frame + (settings.num_frames - 1) * settings.stride
    if last >= settings.clip_frames:
        return f"The clip ends at frame {settings.clip_frames - 1}; these frames end at {last}."
    return ""


def why_no_reconstruction(settings: bpy.types.PropertyGroup, endpoint: str) -> str:
    """Why Reconstruct cannot go."""
    return why_no_clip(settings) or why_no_server(endpoint)


def why_no_path(settings: bpy.types.PropertyGroup) -> str:
    """Why a preset cannot be put on the camera."""
    if settings.mesh is None:
        return "Reconstruct the clip first."
    return "" if settings.camera is not None else "Choose a camera."


def why_no_render(
    settings: bpy.types.PropertyGroup, endpoint: str, connection: Connection | None
) -> str:
    """Why Render cannot go."""
    reason = why_no_path(settings) or why_no_server(endpoint)
    if reason:
        return reason
    try:
        seed_of(settings)
    except SettingsError as error:
        return str(error)
    engine = (connection.engines if connection else {}).get(ENGINES[settings.quality])
    if engine is not None and not engine.available:
        return f"The server cannot: {engine.reason}"
    return ""


def seed_of(settings: bpy.types.PropertyGroup) -> int:
    """The seed. Raises SettingsError when it is none."""
    text = settings.seed.strip()
    if not text.isdecimal() or int(text) >= 1 << 32:
        raise SettingsError("The seed must be a whole number from 0 to 4294967295.")
    return int(text)


def final_settings(settings: bpy.types.PropertyGroup) -> FinalSettings | None:
    """What the panel asks of the diffusion model; none of a draft."""
    if settings.quality != "FINAL":
        return None
    return FinalSettings(
        settings.steps, settings.guidance_scale, settings.prompt.strip(), settings.keep_source
    )


def clip_source(settings: bpy.types.PropertyGroup) -> ClipSource:
    """The clip that the panel describes."""
    return ClipSource(
        os.path.normpath(bpy.path.abspath(settings.clip)),
        os.path.normpath(bpy.path.abspath(settings.depth)),
        settings.start_frame,
        settings.stride,
        settings.num_frames,
        math.degrees(settings.fov) if settings.use_fov else None,
    )


def mesh_source(mesh: bpy.types.Object) -> ClipSource:
    """The clip that a mesh was made of, whatever the panel says now. Raises SettingsError."""
    try:
        source = ClipSource(**json.loads(mesh["ex4d_source"]))
        made_of = json.loads(mesh["ex4d_made_of"])
        stored = (source.clip, source.depth)
        clip, depth = (found_path(*both) for both in zip(stored, made_of, strict=True))
        return replace(source, clip=clip, depth=depth)
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(
            f"{mesh.name!r} does not say which clip it was made of: reconstruct again."
        ) from error
