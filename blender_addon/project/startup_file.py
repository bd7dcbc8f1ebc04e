"""*Save Startup File* with a shot in it: every new file begins with that shot, in no folder yet.

Blender makes its own paths absolute there; these are the add-on's. The scene's id is not written:
what is under way for one file must not come into all that begin alike.
"""

from __future__ import annotations

from typing import Any

import bpy

from .moved_paths import panel_paths, set_unasked

__all__ = ["StartupFile"]


class StartupFile:
    """Writes another scene than is open, which is then as before: nothing here refers to it, for
    Blender 4.5 does not tell when the file is written."""

    def __init__(self) -> None:
        self._paths: dict[tuple[int, str, str], tuple[str, str]] = {}  # as it was, as written
        self._ids: dict[int, str] = {}  # of scenes

    def saving(self) -> None:
        """Before it is written."""
        self.restore()
        for group, name in panel_paths():
            path = getattr(group, name)
            if path.startswith("//") and bpy.data.filepath:
                absolute = bpy.path.abspath(path)
                self._paths[_key(group, name)] = path, absolute
                set_unasked(group, name, absolute)
        for scene in _own_scenes():
            self._ids[scene.session_uid], scene.ex4d.scene_id = scene.ex4d.scene_id, ""

    def restore(self) -> None:
        """After it, at the latest with the next tick."""
        if not self._paths and not self._ids:
            return
        for group, name in panel_paths():
            before, written = self._paths.get(_key(group, name), ("", ""))
            if before and getattr(group, name) == written:
                set_unasked(group, name, before)
        for scene in _own_scenes():
            if not scene.ex4d.scene_id:
                scene.ex4d.scene_id = self._ids.get(scene.session_uid, "")
        self._paths, self._ids = {}, {}


def _key(group: Any, name: str) -> tuple[int, str, str]:
    return group.id_data.session_uid, group.path_from_id(), name


def _own_scenes() -> list[bpy.types.Scene]:
    return [scene for scene in bpy.data.scenes if scene.library is None]
