"""A worker process: does the jobs of one device, one after the other, with everything warm.

    python -m backend.worker.worker --descriptor N --parent PID --device cpu --runner MODULE:CLASS
        --settings JSON

A thread listens to the server, so that a cancel is heard during a job; the main thread works. The
process ends with the server, whatever it is doing: by the end of the pipe, and on Linux by a signal
from the kernel even while a job holds the interpreter.
"""

from __future__ import annotations

import argparse
import ctypes
import faulthandler
import gc
import importlib
import os
import queue
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import msgpack

from backend.log import JobLog, log_to
from backend.settings_text import decoded
from backend.text import hide_folder, trimmed, without_folders
from backend.worker.failures import DAMAGED, POISONED, code_of, text_of
from backend.worker.memory import limit_memory, usual_bytes
from backend.worker.messages import (
    Cancel,
    Cancelled,
    Command,
    Failed,
    Finished,
    Frames,
    Previewed,
    Progressed,
    Ready,
    Report,
    Run,
    Show,
    Unfit,
    encode,
)
from ex4d.errors import Ex4dError
from protocol.transfer import blob_of

if TYPE_CHECKING:
    from backend.settings import ServerSettings
    from backend.worker.previews import Strip
    from protocol.messages.jobs import BlobId

__all__ = ["JobCancelled", "JobContext", "Runner", "main"]

_PR_SET_PDEATHSIG = 1
_log = JobLog("worker")
_NICENESS = 5  # a job may take every core, and the server still answers at once (G4)


class JobCancelled(BaseException):
    """Raised inside a job that was cancelled; not an Exception, so that no handler swallows it."""


class JobContext:
    """What a job in the worker needs to know and to tell."""

    def __init__(self, run: Run, link: _Link) -> None:
        self.job = run.job
        self.inputs = {sha256: Path(path) for sha256, path in run.inputs.items()}
        self.scratch = Path(run.scratch)
        hide_folder(self.scratch.parents[1])  # of the server's data
        self._job_id = run.job_id
        self._link = link

    @property
    def is_cancelled(self) -> bool:
        """Whether the job was asked to end."""
        return self._job_id in self._link.cancelled

    def progress(self, stage: str, done: int, total: int) -> None:
        """Tell how far the job is; as often as convenient. Raises JobCancelled."""
        if self.is_cancelled:
            raise JobCancelled
        self._link.send(Progressed(self._job_id, stage, done, total))

    @property
    def wants_previews(self) -> bool:
        """Whether somebody looks at the job's preview pictures now."""
        return self._job_id in self._link.shown

    def preview(self, strip: Strip) -> None:
        """Show what the job has made by now."""
        size = strip.width, strip.height
        self._link.send(Previewed(self._job_id, *size, strip.frames, strip.data))


class Runner(Protocol):
    """Does jobs. Made once for a process with its device's name and the server's settings; keeps
    models between jobs.

    What making it raises says why no job can be done on this device now.
    """

    def run(self, context: JobContext) -> list[str]:
        """Do one job and return the names of the results in the scratch folder."""
        ...

    def free_memory(self) -> None:
        """Let go of what can be made again, after a job ran out of memory."""


class _Link:
    """The pipe to the server: commands come by a thread of their own."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._sending = threading.Lock()
        self.runs: queue.SimpleQueue[Run] = queue.SimpleQueue()
        self.cancelled: set[str] = set()
        self.shown: set[str] = set()
        threading.Thread(target=self._listen, name="ex4d-commands", daemon=True).start()

    def send(self, report: Report) -> None:
        with self._sending:
            self._socket.sendall(encode(report))

    def _listen(self) -> None:
        decoder: msgpack.Decoder[Command] = msgpack.Decoder(Command)
        frames = Frames()
        try:
            while data := self._socket.recv(1 << 16):
                for body in frames.feed(data):
                    self._take(decoder.decode(body))
        finally:
            os._exit(0)  # the server has gone, and nobody wants the job's result

    def _take(self, command: Command) -> None:
        match command:
            case Run():
                self.runs.put(command)
            case Cancel(job_id):
                self.cancelled.add(job_id)
            case Show(job_id, wanted):
                (self.shown.add if wanted else self.shown.discard)(job_id)


def _do(runner: Runner, run: Run, link: _Link) -> Report:
    """Do a job and return how it ended. The one place where every exception ends."""
    context = JobContext(run, link)
    try:
        if damaged := _damaged(run, context):
            return Failed(run.job_id, "damaged_input", DAMAGED, damaged)
        names = runner.run(context)
        results = {name: _synced(context.scratch / name) for name in names}
    except JobCancelled:
        return Cancelled(run.job_id)
    except Exception as error:
        failed = Failed(run.job_id, code_of(error), text_of(error))
        _log_advice(error, run.job_id)
    else:
        return Finished(run.job_id, results)
    if failed.code == "out_of_memory":
        runner.free_memory()
        gc.collect()  # only now: the error held every array of the functions that it passed
    return failed


def _log_advice(error: Exception, job: str = "-") -> None:
    """Tell who runs the server what clients are not told: what mends it here."""
    if isinstance(error, Ex4dError) and error.advice:
        _log.warning("something is missing or too small", job, reason=error)


def _damaged(run: Run, context: JobContext) -> tuple[BlobId, ...]:
    """Hash the inputs that the server is not sure of; return those that are not what they were."""
    found = []
    for number, blob in enumerate(run.doubtful):

        def report(_: int, number: int = number) -> None:
            context.progress("check", number, len(run.doubtful))

        try:
            is_right = blob_of(context.inputs[blob.sha256], report) == blob
        except FileNotFoundError:
            is_right = False
        if not is_right:
            found.append(blob)
    return tuple(found)


def _synced(path: Path) -> Any:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    return blob_of(path)


def _die_with(parent: int) -> None:
    """End this process when its parent does."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        os._exit(0)


def main() -> int:
    """Do jobs until the server has gone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--descriptor", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--runner", required=True)
    parser.add_argument("--settings", type=decoded, required=True)
    arguments = parser.parse_args()
    _die_with(arguments.parent)
    faulthandler.enable()
    log_to(sys.stderr)
    if hasattr(os, "nice"):  # not on Windows
        os.nice(_NICENESS)
    settings: ServerSettings = arguments.settings
    hide_folder(settings.models_folder)
    if memory_bytes := settings.worker_bytes or usual_bytes():
        limit_memory(memory_bytes)
    link = _Link(arguments.descriptor)
    try:
        module, _, name = arguments.runner.partition(":")
        runner: Runner = getattr(importlib.import_module(module), name)(arguments.device, settings)
    except Exception as error:
        _log_advice(error)
        text = f"{type(error).__name__}: {error}"
        if isinstance(error, Ex4dError):
            text = error.reason
        link.send(Unfit(trimmed(without_folders(text), 2_000)))
        return 1
    link.send(Ready())
    while True:  # until the server goes
        run = link.runs.get()
        report = _do(runner, run, link)
        link.send(report)
        link.cancelled.discard(run.job_id)
        link.shown.discard(run.job_id)
        if isinstance(report, Failed) and report.code in POISONED:
            return 1  # whatever ran next in this process would fail too


if __name__ == "__main__":
    sys.exit(main())
