"""The add-on under test: its parts, its one session, and a way to drive it without a window."""

from __future__ import annotations

import importlib
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SHOT = Path(__file__).parents[2] / "examples" / "shot"
PATIENCE_S = 60
TICK_S = 0.005


@dataclass
class AddOn:
    """What a window's timer and buttons do, done by a test."""

    bpy: Any
    module: str
    ticks_s: list[float] = field(default_factory=list)  # of the main thread, placing left out

    def part(self, name: str) -> Any:
        """A module of the installed extension."""
        return importlib.import_module(f"{self.module}.blender_addon.{name}")

    @property
    def session(self) -> Any:
        return self.part("session").session()

    @property
    def preferences(self) -> Any:
        return self.bpy.context.preferences.addons[self.module].preferences

    @property
    def shot(self) -> Any:
        return self.bpy.context.scene.ex4d

    @property
    def tasks(self) -> list[Any]:
        return self.session.runner.tasks

    def tick(self) -> None:
        """One tick, its time taken as the thread's own: others use the machine too."""
        working = [task for task in self.tasks if not task.over]
        began_s = time.thread_time()
        self.session.tick()
        if not any(task.over or task.state.value == "held" for task in working):
            self.ticks_s.append(time.thread_time() - began_s)

    def until(self, condition, what="it") -> None:
        """Tick until the condition holds."""
        end_s = time.monotonic() + PATIENCE_S
        while not condition():
            shown = [(task.state, task.stage, task.text) for task in self.tasks]
            assert time.monotonic() < end_s, f"{what} did not happen: {shown}"
            self.tick()
            time.sleep(0.01)  # a window's timer has its pauses too

    def use(self, server) -> None:
        """Point the preferences to a server, with keys that it lets in."""
        folder = Path(self.bpy.utils.extension_path_user(self.module, path="keys", create=True))
        for name in ("client.key", "client.secret"):
            shutil.copy(server.client_keys / name, folder)  # with its mode
        self.preferences.endpoint = server.endpoint
        self.preferences.server_key = server.server_key

    def choose_clip(self, num_frames: int = 49) -> None:
        self.shot.clip, self.shot.depth.file = str(SHOT / "input.mp4"), str(SHOT / "depth.npz")
        self.shot.num_frames = num_frames

    def reconstruct(self, num_frames: int = 49, **options) -> None:
        """The first two steps of the panel, and the third."""
        self.choose_clip(num_frames)
        assert self.bpy.ops.ex4d.reconstruct(wait=True, **options) == {"FINISHED"}

    def network_threads(self) -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name.startswith("EX-4D")]


def strips(scene) -> list[Any]:
    """The strips of a scene, on every version."""
    editor = scene.sequence_editor
    if editor is None:
        return []
    return list(editor.strips if hasattr(editor, "strips") else editor.sequences)
