"""The extension as Blender knows it: its id, its settings, its folder."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import bpy

__all__ = ["ROOT", "documentation", "preferences", "user_folder"]

ROOT = __package__.rpartition(".")[0]  # the extension's id; Blender asks for just this


def preferences() -> bpy.types.AddonPreferences:
    """The add-on's preferences: those of `Ex4dPreferences`."""
    return bpy.context.preferences.addons[ROOT].preferences


def documentation() -> str:
    """The path of the text that came with the add-on."""
    return str(resources.files(ROOT) / "README.md")


def user_folder() -> Path:
    """Where the add-on may keep its own files."""
    return Path(bpy.utils.extension_path_user(ROOT, create=True))
