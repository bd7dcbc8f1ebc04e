"""The process of a worker and the pipe to it; nothing here waits, except `close`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import backend
from backend.settings_text import encoded
from backend.worker.messages import Command, Frames, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backend.settings import ServerSettings

__all__ = ["WorkerProcess", "how_it_ended"]

_READ_BYTES = 1 << 18  # at once: a flood of progress must not keep the server from its clients
_SOURCE_ROOT = Path(backend.__file__).parents[1]


def how_it_ended(returncode: int | None) -> str:
    """What a process's exit code says, as the end of a sentence."""
    if returncode is None:
        return "is lost"
    if returncode >= 0:
        return f"ended with exit code {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    return f"was ended by {name}"


def _environment(device: str) -> Mapping[str, str]:
    """The worker's environment: it finds this package, and sees its own GPU only."""
    paths = [str(_SOURCE_ROOT), os.environ.get("PYTHONPATH", "")]
    changes = {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    kind, _, number = device.partition(":")
    changes["CUDA_VISIBLE_DEVICES"] = number or "0" if kind == "cuda" else ""
    changes["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # that of the names
    return {**os.environ, **changes}


class WorkerProcess:
    """A started worker. Raises OSError when the system has no room for it."""

    def __init__(self, device: str, runner: str, settings: ServerSettings) -> None:
        self._socket, theirs = socket.socketpair()
        try:
            self._socket.setblocking(False)
            flags = {"descriptor": theirs.fileno(), "parent": os.getpid(), "device": device}
            flags |= {"runner": runner, "settings": encoded(settings)}
            self._process = subprocess.Popen(  # noqa: S603  (our own program)
                [
                    *(sys.executable, "-P", "-m", "backend.worker.worker"),
                    *(f"--{name}={value}" for name, value in flags.items()),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # errors go where the server's go
                env=_environment(device),
                start_new_session=True,  # a Ctrl-C in the terminal is for the server alone
            )
        except BaseException:
            self._socket.close()
            raise
        finally:
            theirs.close()
        self._frames = Frames()
        self._unsent = bytearray()

    @property
    def pid(self) -> int:
        """The process number."""
        return self._process.pid

    @property
    def is_sending(self) -> bool:
        """Whether `receive` must be called soon to send the rest."""
        return bool(self._unsent)

    def fileno(self) -> int:
        """What is readable when the worker has said something, or ended."""
        return self._socket.fileno()

    def send(self, command: Command) -> None:
        """Send a command, now as far as the pipe takes it and the rest with `receive`."""
        self._unsent += encode(command)
        self._flush()

    def receive(self) -> tuple[list[bytes], bool]:
        """Return the messages that have come, and whether the worker has ended."""
        self._flush()
        data = bytearray()
        while len(data) < _READ_BYTES:
            try:
                piece = self._socket.recv(_READ_BYTES)
            except BlockingIOError:
                return self._frames.feed(bytes(data)), False
            except OSError:  # it died with words of ours unread
                piece = b""
            data += piece
            if not piece:
                return self._frames.feed(bytes(data)), True
        return self._frames.feed(bytes(data)), False

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()

    def close(self, timeout_s: float) -> int:
        """Close the pipe, at which the worker ends by itself; after the time limit kill it.
        Returns its exit code."""
        self._socket.close()
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _flush(self) -> None:
        if self._unsent:
            try:
                del self._unsent[: self._socket.send(self._unsent)]
            except BlockingIOError:
                pass
            except OSError:  # it has ended, which `receive` will find
                self._unsent.clear()
