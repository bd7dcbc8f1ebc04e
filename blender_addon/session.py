"""The add-on at work: one runner and one timer, from register to unregister."""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING

import bpy

from ..ex4d.version import __version__
from .compat import show_in_sequencer
from .errors import AddonError, SettingsError
from .extension import preferences, user_folder
from .jobs.connection import Connection, LinkState
from .jobs.endpoint import address_of, why_offline
from .jobs.ledger import Ledger
from .jobs.request_runner import RequestRunner
from .jobs.tasks import TaskState
from .project.moved_paths import MovedPaths
from .project.startup_file import StartupFile
from .project.unsaved_files import UnsavedFiles
from .scene.placement import Placement
from .takes.strip_colors import StripColors
from .ui.preview_pictures import PreviewPictures
from .ui.status_bar import StatusBar

if TYPE_CHECKING:
    from pathlib import Path

    from .jobs.tasks import Task

__all__ = ["Session", "redraw", "session", "start", "stop"]

_BUSY_S, _IDLE_S = 0.1, 1.0  # from one tick to the next
_SHOWN_IN = {"VIEW_3D": "UI", "PREFERENCES": "WINDOW"}  # kinds of areas: of their regions


class Session:
    """What the operators and panels talk to. Belongs to the main thread."""

    def __init__(self, folder: Path) -> None:
        self.keys_folder = folder / "keys"
        self.connection = Connection(version=__version__)
        self.placement = Placement()
        self.moved_paths = MovedPaths()
        self.startup_file = StartupFile()
        ledger = Ledger(folder / "jobs")
        self.runner = RequestRunner(self.connection, ledger, self.placement.place)
        self.unsaved = UnsavedFiles(folder / "unsaved", self.placement.arrived, self.runner.reads)
        self.problem = ""  # of the settings, in words
        self.status_bar = StatusBar()
        self.strip_colors = StripColors()
        self.previews = PreviewPictures()
        self._seen: set[int] = set()  # workspaces that were looked after

    def connect(self) -> None:
        """Open the connection that the preferences describe, or try again at once.

        Raises SettingsError when they describe none, or Blender is offline.
        """
        settings = preferences()
        reason = why_offline(settings.endpoint, online_access=bpy.app.online_access)
        if reason:
            self.problem = reason
            raise SettingsError(reason)
        try:
            address = address_of(settings.endpoint, settings.server_key, self.keys_folder)
        except SettingsError as error:
            self.problem = str(error)
            raise
        self.problem = ""
        if self.connection.open(address):
            self.runner.begin_anew()

    def disconnect(self) -> None:
        """Close the connection; what is under way waits for the next one."""
        self.connection.close()
        self.runner.begin_anew()

    def tick(self) -> bool:
        """Do what is due; whether anything changed."""
        self.startup_file.restore()
        reason = why_offline(preferences().endpoint, online_access=bpy.app.online_access)
        if reason and self.connection.client is not None:
            self.disconnect()
            self.problem = reason
        changed = self.runner.pump()
        self.status_bar.follow(self.runner.tasks, time.monotonic())
        return changed

    def show_strips(self) -> None:
        """Let a workspace that is opened after the strips were made show them (5.x: it shows none
        by itself). Once for each: the artist may choose otherwise."""
        for window in bpy.context.window_manager.windows:
            scene, workspace = window.scene, window.workspace
            if len(scene.ex4d.takes) and workspace.session_uid not in self._seen:
                self._seen.add(workspace.session_uid)
                show_in_sequencer(scene, [workspace])

    def wait_for(self, task: Task, timeout_s: float) -> None:
        """For scripts: drive everything until a request is over or held. Blocks Blender.

        Raises AddonError when it does not end well or not in time.
        """
        end_s = time.monotonic() + timeout_s
        while not task.over and task.state is not TaskState.HELD:
            if time.monotonic() > end_s:
                raise AddonError(f"{task.request.label}: not over after {timeout_s:g} s.")
            if self.problem:
                raise SettingsError(self.problem)
            if self.connection.state is LinkState.REFUSED:
                raise SettingsError(self.connection.text)
            if not self.tick():
                time.sleep(0.02)
        if task.state is not TaskState.DONE:
            raise AddonError(f"{task.request.label}: {task.text or task.state.value}")

    def close(self) -> None:
        """Stop everything here at once; jobs go on at the server."""
        self.status_bar.clear()
        self.unsaved.late.close()
        self.runner.close()
        self.previews.close()


_session: Session | None = None  # between register and unregister: Blender has no better place


def session() -> Session:
    """The one that is running. Raises SettingsError when the add-on is not registered."""
    if _session is None:
        raise SettingsError("The add-on is not enabled.")
    return _session


def start() -> None:
    """Begin a session and its timer, which survives File > Open."""
    global _session
    _session = Session(user_folder())
    for name, handler in _HANDLERS.items():
        getattr(bpy.app.handlers, name).append(handler)
    bpy.app.timers.register(_tick, first_interval=_IDLE_S, persistent=True)


def stop() -> None:
    """End both."""
    global _session
    for name, handler in _HANDLERS.items():
        handlers = getattr(bpy.app.handlers, name)
        if handler in handlers:
            handlers.remove(handler)
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    if _session is not None:
        _session.close()
        _session = None


@bpy.app.handlers.persistent
def _undone(*_: object) -> None:
    """After an undo or a redo."""
    if _session is not None:
        _session.unsaved.follow()
        _session.placement.arrived.bring_back()


@bpy.app.handlers.persistent
def _opened(*_: object) -> None:
    if _session is not None:
        _session.unsaved.problem = ""  # of the file before
        _session.unsaved.follow()


@bpy.app.handlers.persistent
def _changed(scene: object, *_: object) -> None:
    """After any change that Blender evaluates; and before a render without a window, which needs
    none before. With windows that would be another thread, and the change was seen before."""
    if _session is not None and isinstance(scene, bpy.types.Scene):
        _session.strip_colors.follow(scene)


@bpy.app.handlers.persistent
def _saving(target: object, *_: object) -> None:
    if _session is None or not isinstance(target, str):
        return
    if not target:  # Save Startup File
        _session.startup_file.saving()
        return
    _session.startup_file.restore()
    _session.unsaved.saving(target)  # its paths are then right for the other
    _session.moved_paths.saving(target)


@bpy.app.handlers.persistent
def _saved(*_: object) -> None:
    if _session is not None:
        _session.startup_file.restore()
        _session.moved_paths.saved()
        _session.unsaved.saved()


@bpy.app.handlers.persistent
def _not_saved(*_: object) -> None:
    if _session is not None:
        _session.startup_file.restore()
        _session.moved_paths.failed()
        _session.unsaved.failed()


_HANDLERS = {
    "undo_post": _undone,
    "redo_post": _undone,
    "load_post": _opened,
    "depsgraph_update_post": _changed,
    **({"render_init": _changed} if bpy.app.background else {}),
    "save_pre": _saving,
    "save_post": _saved,
    "save_post_fail": _not_saved,
}


def _tick() -> float | None:
    """The timer. An error must not end it: Blender would never call it again."""
    if _session is None:
        return None
    try:
        if _session.runner.busy and _session.connection.client is None:
            _reconnect(_session)
        changed = _session.tick() | _session.unsaved.tick()
        if _session.previews.follow(_session.runner.tasks, time.monotonic()) | changed:
            redraw()
        _session.show_strips()
    except Exception:
        traceback.print_exc()
        return _IDLE_S
    return _BUSY_S if _session.connection.client is not None else _IDLE_S


def _reconnect(current: Session) -> None:
    """Connect for what the ledger has; the panel shows why it cannot be."""
    try:
        current.connect()
    except SettingsError:
        return


def redraw() -> None:
    """Have the sidebars and preferences of all windows drawn again, but no 3D view: a large mesh
    takes its time."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            kind = _SHOWN_IN.get(area.type)
            for region in area.regions:
                if region.type == kind:
                    region.tag_redraw()
