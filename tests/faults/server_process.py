"""A server in a process of its own, and what it holds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import psutil

PATIENCE_S = 30
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Footprint:
    """What a process holds."""

    n_descriptors: int
    n_threads: int
    n_children: int
    memory_bytes: int

    @classmethod
    def of(cls, pid: int) -> Footprint:
        process = psutil.Process(pid)
        return cls(
            process.num_fds(),
            process.num_threads(),
            len(process.children(recursive=True)),
            process.memory_info().rss,
        )


class ServerProcess:
    """A started server. `log` holds the lines of its log, and of its workers'."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**os.environ, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log: list[str] = []
        self.before: Footprint | None = None
        self._listens = threading.Event()
        self._reader = threading.Thread(target=self._read, name="server's log", daemon=True)
        self._reader.start()

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def listens(self) -> bool:
        """Wait until it serves or has ended; whether it serves."""
        assert self._listens.wait(PATIENCE_S), self.log
        return any("listening" in line for line in self.log)

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: int = signal.SIGKILL) -> int:
        """Send a signal and wait until the server and all of its workers are gone."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)  # its workers have the same stderr: the end of all of them
        assert not self._reader.is_alive(), "a worker has outlived its server"
        self.process.stderr.close()
        return code

    def _read(self) -> None:
        for line in self.process.stderr:
            self.log.append(line.rstrip())
            if "listening" in line:
                self._listens.set()
        self._listens.set()
