"""Files of a .blend that was never saved lie in the extension's folder, which Blender deletes when
the extension is uninstalled: with the first save they come beside the file.

    <extension's folder>/unsaved/<scene's id>/<clip>/mesh_001, take_001, ...

Before a file is written they are linked into its project, copied and checked where there are no
links, and every path leads there, so that what is written is right. What would take long to copy
comes after the save (late_copies.py), and the paths with the next. The originals go when the file
is written, unless anything may still read them; a note in their place tells an undo, and a file
that Blender recovers, where they are. Where nothing was written all is as it was.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from ..jobs.late_copies import AT_ONCE_BYTES, LateCopies, bytes_to_copy
from ..jobs.take_files import TAKE_FILE
from ..words import sentence_of
from .file_paths import change_texts, file_paths, place_in
from .folders import next_folder
from .paths import stored_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..takes.take_placement import ArrivedTakes
    from .file_paths import FilePath

__all__ = ["UnsavedFiles"]

_NOTE = "moved.txt"  # in the original's place: where it is now
_COPYING = "Large files are being copied beside the file, to another disk: save again afterwards."
_SAVE_AGAIN = "All files lie beside the file now: save it once more, so that it leads there."
_DEPTH = 3  # a scene's id, a clip, a mesh or take


class UnsavedFiles:
    """`reads` tells whether work under way still needs a folder."""

    def __init__(self, root: Path, arrived: ArrivedTakes, reads: Callable[[Path], bool]) -> None:
        self.root = root
        self.problem = ""  # why something stays in the extension's folder, as a sentence
        self._arrived = arrived
        self._reads = reads
        self.late = LateCopies()
        self._targets: dict[tuple[Path, str], Path] = {}  # of originals that stay, by project
        self._moves: dict[Path, Path] = {}  # of the save under way
        self._made: list[Path] = []
        self._written: list[tuple[FilePath, str]] = []
        self._project, self._was_unsaved = "", False

    def saving(self, target: str) -> None:
        """Before a save: let everything lie beside the file that is written, and its paths lead
        there."""
        self._was_unsaved, self.problem = not bpy.data.filepath, ""
        self._moves, self._made, self._written = {}, [], []
        self._project = os.path.dirname(os.path.abspath(target))
        if not target or not os.path.isdir(self._project) or not self.root.is_dir():
            return
        found = [(one, folder) for one in file_paths() if (folder := self._folder_of(one))]
        left_bytes = AT_ONCE_BYTES
        for folder in dict.fromkeys(folder for _, folder in found if folder.is_dir()):
            try:
                if (target_folder := self._known(folder)) is None:
                    left_bytes -= bytes_to_copy(folder, self._project)
                    target_folder = self._bring(folder, at_once=left_bytes >= 0)
                if target_folder is not None:
                    self._moves[folder] = target_folder
            except OSError as error:
                self.problem = (
                    f"{folder.name} of {folder.parent.name} stays in the add-on's own folder, "
                    f"which uninstalling deletes. {sentence_of(error)} Mend that, and save again."
                )
        for target_folder in self._moves.values():
            self._mend_take(target_folder)
        for one, _ in found:
            self._repoint(one)

    def saved(self) -> None:
        """After it: the originals go, where nothing can need them. A copy was written: the open
        file keeps to the originals."""
        now = os.path.dirname(os.path.abspath(bpy.data.filepath)) if bpy.data.filepath else ""
        if not self._moves:
            return
        if now != self._project:
            self._take_back()
        else:
            self._arrived.move(self._moved)
            if self._was_unsaved:  # no file on disk leads to them
                self._remove_originals()
        self._moves = {}

    def failed(self) -> None:
        """Nothing was written."""
        self._take_back()
        for folder in self._made:
            shutil.rmtree(folder, ignore_errors=True)
        self._targets = {key: to for key, to in self._targets.items() if to not in self._made}
        self._moves = {}

    def move(self) -> int:
        """Bring what lies in the extension's folder beside the file, which is saved already; its
        paths are right when it is saved again. Returns how many meshes and takes."""
        self.saving(bpy.data.filepath)
        n_moved = len(self._moves)
        self._was_unsaved = False
        self.saved()
        return n_moved

    def tick(self) -> bool:
        """Let paths lead to copies that became whole, which takes some 10 ms; whether there were
        any."""
        whole = list(self.late.take_whole())
        self.problem, self.late.problem = self.late.problem or self.problem, ""
        open_project = os.path.dirname(bpy.data.filepath)
        for folder, project, target in whole:
            if project == open_project:
                self._targets[folder, project] = target
            else:  # another file is open now, or a copy was saved
                shutil.rmtree(target, ignore_errors=True)
        if any(project == open_project for _, project, _ in whole):
            self.move()
            self.problem = self.problem or _SAVE_AGAIN
        return bool(whole)

    def follow(self) -> None:
        """After an undo, or when a file is opened: let paths lead where originals have gone."""
        if not self.root.is_dir():
            return
        self._moves, self._written = {}, []
        self._project = os.path.dirname(bpy.data.filepath)
        for one in list(file_paths()):
            folder = self._folder_of(one)
            if folder and (there := _moved_to(folder)):
                self._moves[folder] = there
                self._repoint(one)
        self._moves = {}

    def _folder_of(self, found: FilePath) -> Path | None:
        """The mesh or take in the extension's folder that a path of this file's own leads to."""
        may = found.is_local and f"{os.sep}{self.root.name}{os.sep}" in found.path
        parts = Path(place_in(found.path, self.root)).parts if may else ()  # which asks the disk
        return self.root.joinpath(*parts[:_DEPTH]) if len(parts) >= _DEPTH else None

    def _known(self, folder: Path) -> Path | None:
        """Where it is in the project that is saved, if it was brought there."""
        known = self._targets.get((folder, self._project)) or _moved_to(folder)
        return known if known and known.is_dir() else None

    def _bring(self, folder: Path, *, at_once: bool) -> Path | None:
        """The folder's new place in the project that is saved, with all that it holds; none where
        that comes later."""
        if (folder, self._project) in self.late:
            self.problem = _COPYING
            return None
        kind, _, number = folder.name.rpartition("_")
        base = Path(bpy.path.abspath(self._settings(folder), start=self._project))
        _, target = next_folder(base / folder.parent.name, kind, int(number))
        if not at_once:
            self.late.begin(folder, self._project, target)
            self.problem = _COPYING
            return None
        self._made.append(target)
        try:
            shutil.copytree(
                folder, target, symlinks=True, copy_function=_link_or_copy, dirs_exist_ok=True
            )
        except (OSError, shutil.Error) as error:
            shutil.rmtree(target, ignore_errors=True)
            raise OSError(_first_reason(error)) from error
        self._targets[folder, self._project] = target
        return target

    def _settings(self, folder: Path) -> str:
        """Where the scene that something was made for keeps its results."""
        scene_id = folder.relative_to(self.root).parts[0]
        own = [scene for scene in bpy.data.scenes if scene.library is None]
        for scene in own:
            if scene.ex4d.scene_id == scene_id:
                return str(scene.ex4d.folder)
        return str(own[0].ex4d.folder)

    def _moved(self, path: str) -> str:
        """Where a path leads now."""
        for folder, target in self._moves.items():
            inside = place_in(path, folder) if os.path.isabs(path) else ""
            if inside:
                return os.path.normpath(target / inside)
        return path

    def _repoint(self, found: FilePath) -> None:
        after = path = self._moved(found.path)
        if path == found.path:
            return
        now = bpy.data.filepath
        if now and os.path.dirname(os.path.abspath(now)) == self._project:
            after = stored_path(path) if found.form != "absolute" else path
        elif not now and found.form == "relative" and _wants_relative():
            with suppress(ValueError):  # another drive of Windows
                after = bpy.path.relpath(path, start=self._project)
        found.replace(found.text, after)  # Blender makes its own relative as it writes them
        self._written.append((found, after))

    def _mend_take(self, folder: Path) -> None:
        """What a take was asked for with may have moved, too."""
        file = folder / TAKE_FILE
        with suppress(OSError, ValueError):  # the take is found without
            entry = json.loads(file.read_text(encoding="utf-8"))
            part = file.with_suffix(".part")
            part.write_text(json.dumps(change_texts(entry, self._moved), indent=1), "utf-8")
            part.replace(file)  # the original, linked, stays as it is

    def _take_back(self) -> None:
        for found, after in self._written:
            found.replace(after, found.text)
        self._written = []

    def _remove_originals(self) -> None:
        used = {self._folder_of(found) for found in file_paths()}
        for folder, target in self._moves.items():
            if folder in used or self._reads(folder) or _moved_to(folder):
                continue
            gone = folder.with_name(f"{folder.name}.gone")
            with suppress(OSError):  # Windows keeps what is open
                folder.rename(gone)  # all of it or nothing
                folder.mkdir()
                (folder / _NOTE).write_text(str(target), "utf-8")
                shutil.rmtree(gone, ignore_errors=True)


def _moved_to(folder: Path) -> Path | None:
    """Where something has gone."""
    try:
        return Path((folder / _NOTE).read_text("utf-8"))
    except OSError:
        return None


def _wants_relative() -> bool:
    return bool(bpy.context.preferences.filepaths.use_relative_paths)


def _link_or_copy(source: str, target: str) -> None:
    """The same file under a second name, at no cost; or a copy that is on the disk."""
    with suppress(OSError, NotImplementedError):
        os.link(source, target)
        return
    shutil.copy2(source, target)
    with open(target, "rb+") as file:
        os.fsync(file.fileno())
        size_bytes = os.fstat(file.fileno()).st_size
    if size_bytes != os.path.getsize(source):
        raise OSError(f"{target} was not written whole")


def _first_reason(error: Exception) -> str:
    """Of a tree of files, why the first one failed."""
    if isinstance(error, shutil.Error) and error.args and error.args[0]:
        return str(error.args[0][0][2])
    return str(getattr(error, "strerror", None) or error)
