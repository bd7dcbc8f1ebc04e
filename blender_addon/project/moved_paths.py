"""The panel's paths when a file is saved in another folder: Blender mends its own, not those of
add-ons."""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING, Any

import bpy

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MovedPaths", "panel_paths", "set_unasked"]


class MovedPaths:
    """Turns the paths that are relative to the file when that goes elsewhere, and back where it
    did not go there after all (Save a Copy, a full disk). The folder for new results stays beside
    the file, wherever that is."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, str]] = []  # whose, which, as it was
        self._folder = ""

    def saving(self, target: str) -> None:
        """Before a save: let the paths be right in the file that is written."""
        self._before, self._folder = [], os.path.dirname(os.path.abspath(target))
        now = bpy.data.filepath
        if not now or not target or os.path.dirname(os.path.abspath(now)) == self._folder:
            return
        for group, name in panel_paths():
            value = getattr(group, name)
            if value.startswith("//"):
                self._before.append((group, name, value))
                set_unasked(group, name, _relative(bpy.path.abspath(value), self._folder))

    def saved(self) -> None:
        """After it: where the open file is still the old one, its paths are as they were."""
        if self._before and os.path.dirname(os.path.abspath(bpy.data.filepath)) != self._folder:
            self.failed()
        self._before = []

    def failed(self) -> None:
        """Nothing was written."""
        for group, name, value in self._before:
            set_unasked(group, name, value)
        self._before = []


def panel_paths() -> Iterator[tuple[Any, str]]:
    """All that the open file's own scenes remember."""
    for scene in bpy.data.scenes:
        if scene.library is None:
            yield scene.ex4d, "clip"
            yield scene.ex4d, "clip_before"
            yield scene.ex4d.depth, "file"
            for take in scene.ex4d.takes:
                yield take, "folder"


def set_unasked(group: Any, name: str, value: str) -> None:
    """Write a path of the panel, without what a choice of the artist would set off: it is the same
    file."""
    shot = group.id_data.ex4d
    shot.paths_move = True
    try:
        setattr(group, name, value)
    finally:
        shot.paths_move = False


def _relative(path: str, folder: str) -> str:
    try:
        return str(bpy.path.relpath(path, start=folder))
    except ValueError:  # another drive of Windows
        return path
