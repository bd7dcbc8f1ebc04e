"""How paths are written into a .blend file."""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING

import bpy

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["found_path", "stored_path"]


def stored_path(path: Path | str) -> str:
    """A path as the artist's preferences want it: relative to the file once that is saved, so
    that a project's folder can be moved."""
    if bpy.data.filepath and bpy.context.preferences.filepaths.use_relative_paths:
        try:
            return str(bpy.path.relpath(str(path)))
        except ValueError:  # another drive of Windows
            return str(path)
    return str(path)


def found_path(stored: str, absolute: str) -> str:
    """Where something is now: as it was stored, relative to the file, which moves with a project;
    or where it was made, when the file was saved elsewhere (Blender mends its own paths then,
    not those of add-ons)."""
    beside = os.path.normpath(bpy.path.abspath(stored))
    return beside if os.path.exists(beside) or not absolute else absolute
