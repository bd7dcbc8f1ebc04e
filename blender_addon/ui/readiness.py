"""What each step of the panel still needs, as a sentence; empty when it can go.

The buttons are grey with this reason, and the panel shows it.
"""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING

import bpy

from ...ex4d.files.picture_names import is_picture
from ..errors import SettingsError
from ..extension import preferences
from ..jobs.connection import LinkState
from ..jobs.endpoint import why_offline
from ..jobs.requests import ENGINES
from ..project.mesh_files import why_no_source
from ..scene.depth_properties import chosen_estimator
from ..words import panel_words

if TYPE_CHECKING:
    from ..jobs.connection import Connection

__all__ = [
    "seed_of",
    "why_no_clip",
    "why_no_depth",
    "why_no_path",
    "why_no_reconstruction",
    "why_no_render",
    "why_no_server",
]

_FEWEST = 2  # frames of a clip


def why_no_server(endpoint: str, connection: Connection | None = None) -> str:
    """Why the server cannot be asked; also that it has refused, until that is mended."""
    if connection is not None and connection.state is LinkState.REFUSED:
        return connection.text
    return why_offline(endpoint, online_access=bpy.app.online_access)


def why_no_clip(settings: bpy.types.PropertyGroup) -> str:
    """Why the clip is not ready to be sent."""
    if not settings.clip:
        return "Choose a clip."
    if settings.clip_fault:
        return str(settings.clip_fault)
    if not settings.is_sequence and not os.path.isfile(bpy.path.abspath(settings.clip)):
        return f"There is no such clip: {_name_of(settings.clip)}."  # isfile never raises
    if not settings.clip_frames:
        return f"{_name_of(settings.clip)} is no video that Blender can read."
    if settings.clip_frames < _FEWEST:
        one = "a single picture" if settings.is_sequence else "a single frame"
        return f"{_name_of(settings.clip)} is {one}; a clip needs {_FEWEST} or more."
    reason = why_no_depth(settings.depth)
    if reason:
        return reason
    first, end = settings.clip_first, settings.clip_first + settings.clip_frames - 1
    if settings.start_frame < first:
        return f"The clip begins at frame {first}."
    last = settings.start_frame + (settings.num_frames - 1) * settings.stride
    if last > end:
        return f"The clip ends at frame {end}; these frames end at {last}."
    return ""


def why_no_depth(depth: bpy.types.PropertyGroup) -> str:
    """Why the clip's depth is not ready to be sent, or estimated."""
    if depth.kind == "ESTIMATE":
        chosen = chosen_estimator(depth)
        if chosen and not chosen.available:
            return f"The server cannot: {panel_words(chosen.reason)}"
        if chosen and preferences().only_commercial and not chosen.commercial:
            return f"{chosen.title} may not be used for commercial work ({chosen.licence})."
        return ""
    if not depth.file:
        return "Choose the clip's depth file, or let the depth be estimated."
    path = bpy.path.abspath(depth.file)
    if not os.path.isfile(path):
        return f"There is no such depth file: {_name_of(depth.file)}."
    if not path.lower().endswith(".npz") and not is_picture(path):
        return "The depth must be a .npz file, or a picture of an EXR, PNG or TIFF sequence."
    if depth.use_range and depth.near >= depth.far:
        return "The depth's range must have near before far."
    return ""


def why_no_reconstruction(
    settings: bpy.types.PropertyGroup, endpoint: str, connection: Connection | None = None
) -> str:
    """Why Reconstruct cannot go."""
    return why_no_clip(settings) or why_no_server(endpoint, connection)


def why_no_path(settings: bpy.types.PropertyGroup) -> str:
    """Why a preset cannot be put on the camera."""
    if settings.mesh is None:
        return "Reconstruct the clip first."
    return "" if settings.camera is not None else "Choose a camera."


def why_no_render(
    settings: bpy.types.PropertyGroup, endpoint: str, connection: Connection | None
) -> str:
    """Why Render cannot go."""
    reason = (
        why_no_path(settings) or why_no_source(settings.mesh) or why_no_server(endpoint, connection)
    )
    if reason:
        return reason
    try:
        seed_of(settings)
    except SettingsError as error:
        return str(error)
    engine = (connection.engines if connection else {}).get(ENGINES[settings.quality])
    if engine is not None and not engine.available:
        return f"The server cannot: {panel_words(engine.reason)}; choose Quality Draft."
    if settings.quality == "FAST" and (connection is None or connection.welcome is None):
        return "Connect to the server first: it says how it makes Fast takes."
    return ""


def seed_of(settings: bpy.types.PropertyGroup) -> int:
    """The seed. Raises SettingsError when it is none."""
    text = settings.seed.strip()
    if not text.isdecimal() or int(text) >= 1 << 32:
        raise SettingsError("The seed must be a whole number from 0 to 4294967295.")
    return int(text)


def _name_of(path: str) -> str:
    """What a file is called, wherever it lies."""
    return os.path.basename(os.path.normpath(bpy.path.abspath(path)))
