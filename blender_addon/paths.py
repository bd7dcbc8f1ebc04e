"""How paths are written into a .blend file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["stored_path"]


def stored_path(path: Path | str) -> str:
    """A path as the artist's preferences want it: relative to the file once that is saved, so
    that a project's folder can be moved."""
    if bpy.data.filepath and bpy.context.preferences.filepaths.use_relative_paths:
        try:
            return str(bpy.path.relpath(str(path)))
        except ValueError:  # another drive of Windows
            return str(path)
    return str(path)
