"""What the worker runs in the tests instead of the library: the steps that a job's blob lists."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from backend.worker.messages import Failed, Finished
from ex4d.errors import VideoError

if TYPE_CHECKING:
    import numpy as np

    from backend.settings import ServerSettings

ERRORS = {
    "ValueError": ValueError,
    "MemoryError": MemoryError,
    "RuntimeError": RuntimeError,
    "VideoError": VideoError,
}


class FakeRunner:
    """Does the steps of a job; its results are those that the steps write."""

    def __init__(self, device: str, settings: ServerSettings) -> None:
        self.n_jobs = 0
        self.n_freed = 0

    def run(self, context) -> list[str]:
        steps = json.loads(context.inputs[context.job.color.sha256].read_text())
        self.n_jobs += 1
        self.results = []
        for verb, *values in steps:
            getattr(self, verb)(context, *values)
        return self.results

    def free_memory(self) -> None:
        self.n_freed += 1

    def comment(self, context, *words) -> None:
        """Nothing; makes one job's file differ from another's."""

    def note(self, context, path) -> None:
        """Add a line to a file: who did it, and what this process did before."""
        with open(path, "a") as file:
            file.write(f"{os.getpid()} {self.n_jobs} {self.n_freed}\n")

    def progress(self, context, stage, done, total) -> None:
        context.progress(stage, done, total)

    def flood(self, context, stage, count) -> None:
        for done in range(count):
            context.progress(stage, done, count + 1)

    def offer(self, context, path, times) -> None:
        """Offer preview pictures, until nobody looks any more; add a line for each one drawn."""
        import numpy as np

        from backend.worker.job_runner import _JobWatcher  # a second's import, which few tests need

        watcher, pictures = _JobWatcher(context), np.full((13, 64, 48, 3), (200, 40, 90), np.uint8)

        was_wanted = False

        def draw() -> np.ndarray:
            nonlocal was_wanted
            was_wanted = True
            with open(path, "a") as file:
                file.write(f"{time.monotonic()}\n")
            return pictures

        for number in range(times):
            watcher.progress("denoise", number, times)
            watcher.preview(draw)
            if was_wanted and not context.wants_previews:
                return
            time.sleep(0.001)

    def gate(self, context, path, stage="gate") -> None:
        """Wait until a file is there, and listen for a cancel."""
        while not Path(path).exists():
            context.progress(stage, 0, 1)
            time.sleep(0.002)

    def deaf_gate(self, context, path) -> None:
        """The same without listening."""
        context.progress("deaf gate", 0, 1)
        while not Path(path).exists():
            time.sleep(0.002)

    def ignore_sigterm(self, context) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def hold_interpreter(self, context) -> None:
        context.progress("holding", 0, 1)
        ctypes.PyDLL(None).sleep(600)  # PyDLL keeps the interpreter's lock

    def raise_error(self, context, kind, message, times=1) -> None:
        raise ERRORS[kind](message * times)

    def raise_surrogate(self, context) -> None:
        raise ValueError("\udce9 " * 10)

    def allocate(self, context) -> None:
        bytearray(1 << 60)

    def fill(self, context, n_bytes) -> None:
        """Use so much memory, not only ask for it."""
        b"x" * n_bytes

    def exit(self, context, code) -> None:
        os._exit(code)

    def signal_self(self, context, name) -> None:
        os.kill(os.getpid(), getattr(signal, name))

    def kill_server(self, context) -> None:
        os.kill(os.getppid(), signal.SIGKILL)

    def kill_server_unless(self, context, path) -> None:
        if not Path(path).exists():
            self.kill_server(context)
            time.sleep(600)  # this process dies with it

    def garble(self, context) -> None:
        """Send what is no message."""
        with context._link._sending:
            context._link._socket.sendall(b"\x04\x00\x00\x00\xc1\xc1\xc1\xc1")
        time.sleep(600)

    def impersonate(self, context) -> None:
        """Tell of the end of another job."""
        context._link.send(Finished("another job", {}))
        context._link.send(Failed("another job", "out_of_memory", "no"))

    def result(self, context, name, text) -> None:
        (context.scratch / name).write_text(text)
        self.results.append(name)

    def big_result(self, context, name, size) -> None:
        self.result(context, name, "x" * size)

    def unwritten(self, context, name) -> None:
        """Claim a result that is not there."""
        self.results.append(name)


class BrokenRunner:
    """Cannot be loaded."""

    def __init__(self, device: str, settings: ServerSettings) -> None:
        raise ImportError("no such library")
