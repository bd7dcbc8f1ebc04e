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
PATIENCE_S = 120  # the machine may have much else to do
TICK_S = 0.005
LONG_TICK = "B7: a tick took"
BLOCKED_S = 0.25  # for a lock of the interpreter, too, whose holder others may keep from running
SCHEDULED = Path("/proc/thread-self/schedstat")  # Linux: ns run, ns ready but not run, ...


@dataclass(frozen=True)
class Moment:
    """What a thread has spent, in seconds: on a core, and in all but waiting for one."""

    core_s: float
    own_s: float

    @classmethod
    def now(cls) -> Moment:
        waited_ns = int(SCHEDULED.read_text().split()[1]) if SCHEDULED.exists() else 0
        return cls(time.thread_time(), time.perf_counter() - waited_ns / 1e9)


@dataclass
class Ticks:
    """How long ticks took the main thread; those that place something are left out."""

    core_s: list[float] = field(default_factory=list)
    blocked_s: list[float] = field(default_factory=list)  # neither on a core nor waiting for one

    def add(self, began: Moment, ended: Moment) -> None:
        core_s = ended.core_s - began.core_s
        self.core_s.append(core_s)
        self.blocked_s.append(ended.own_s - began.own_s - core_s)

    def check(self) -> None:
        """B7: a tick is short, however busy the machine is, and waits for nothing."""
        longest_s, longest_wait_s = max(self.core_s, default=0), max(self.blocked_s, default=0)
        assert longest_s <= TICK_S, f"{LONG_TICK} {1000 * longest_s:.1f} ms"
        assert longest_wait_s <= BLOCKED_S, f"B7: a tick has waited {longest_wait_s:.3f} s"


@dataclass
class AddOn:
    """What a window's timer and buttons do, done by a test."""

    bpy: Any
    module: str
    ticks: Ticks = field(default_factory=Ticks)

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
        """One tick, and what it took."""
        working = [task for task in self.tasks if not task.over]
        began = Moment.now()
        self.session.tick()
        ended = Moment.now()
        if not any(task.over or task.state.value == "held" for task in working):
            self.ticks.add(began, ended)

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
