"""What running takes have made by now, as icons that a panel can draw.

A take's strip of pictures comes as one JPEG; Blender's icons are square, so each picture is one.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import bpy
import bpy.utils.previews
import imbuf

from ..jobs.tasks import TaskState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...protocol.client.news import Previewed
    from ..jobs.tasks import Task

__all__ = ["PreviewPictures"]

_PAUSE_S = 0.5  # from one strip of a take to the next: cutting one takes 5 ms


class PreviewPictures:
    """The pictures of all takes that run. Belongs to the main thread."""

    def __init__(self) -> None:
        self._icons = bpy.utils.previews.new()
        self._shown: dict[str, Previewed] = {}  # by the request's key
        self._names: dict[str, list[str]] = {}  # of their icons
        self._next_s = 0.0

    def follow(self, tasks: Iterable[Task], now_s: float) -> bool:
        """Cut what is new of the tasks that run, and forget what is over; whether anything
        changed."""
        running = {
            task.request.key: task.preview
            for task in tasks
            if task.preview is not None and task.state is TaskState.ACTIVE
        }
        gone = self._shown.keys() - running.keys()
        for key in gone:
            self._forget(key)
        new = {key: strip for key, strip in running.items() if self._shown.get(key) is not strip}
        if not new or now_s < self._next_s:
            return bool(gone)
        self._next_s = now_s + _PAUSE_S
        for key, strip in new.items():
            self._forget(key)
            self._shown[key] = strip
            with suppress(
                OSError, ValueError, RuntimeError
            ):  # a full disk, or no picture: no icons
                self._names[key] = self._cut(key, strip)
        return True

    def icons(self, key: str) -> list[int]:
        """The icons of a request's pictures, first to last; none while there is none."""
        return [self._icons[name].icon_id for name in self._names.get(key, ())]

    def close(self) -> None:
        """Take them away."""
        shutil.rmtree(_folder(), ignore_errors=True)
        bpy.utils.previews.remove(self._icons)

    def _cut(self, key: str, strip: Previewed) -> list[str]:
        """Make the icons of a strip; return their names."""
        folder = _folder()
        folder.mkdir(exist_ok=True)
        path = folder / f"{key}.jpg"
        path.write_bytes(strip.data)
        whole = imbuf.load(str(path))
        width, height = whole.size[0] // strip.frames, whole.size[1]
        names = []
        for place in range(strip.frames):
            picture = whole.copy()
            picture.crop((place * width, 0), ((place + 1) * width - 1, height - 1))
            name = f"{key}_{place}"
            imbuf.write(picture, filepath=str(folder / f"{name}.jpg"))
            self._icons.pop(name, None)  # left by a strip that was not cut to its end
            self._icons.load(name, str(folder / f"{name}.jpg"), "IMAGE")
            names.append(name)
        return names

    def _forget(self, key: str) -> None:
        for name in self._names.pop(key, ()):
            self._icons.pop(name)
        self._shown.pop(key, None)


def _folder() -> Path:
    return Path(bpy.app.tempdir) / "ex4d_previews"
