"""The soak's server with its artists, and a thread that looks at the server all the time."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from protocol.errors import UnknownJob
from protocol.messages.jobs import FINAL_STATES, JobState
from tests.faults.rig import REAL_SERVER, Rig
from tests.faults.server_process import ROOT, ServerProcess

from .artist import Artist, promised
from .slopes import Sample

__all__ = ["Happening", "Studio"]

ARTISTS = ("anna", "anna", "ben", "ben")  # whose keys they have
DISK_MIB = 400
_DONE = re.compile(r"job=([0-9a-f]{12}) done")


@dataclass(frozen=True)
class Happening:
    """A piece of mischief."""

    name: str
    began_s: float
    ended_s: float


class Studio:
    """Use as a context manager. `broken` are the promises that were not kept, in words."""

    def __init__(self, root: Path, *, seed: int, pause_s: float, sample_s: float) -> None:
        self.rng = random.Random(seed)  # noqa: S311
        self.rig = Rig(root, encrypted=True)
        self.disk, self.no_disk = _small_disk(root / "disk")
        self.rig.data = (self.disk or root) / "data"
        self.broken: list[str] = []
        self.artists: list[subprocess.Popen] = []
        self.samples: list[Sample] = []
        self.happenings: list[Happening] = []
        self.began_s = time.monotonic()
        self.over = threading.Event()
        self._pause_s, self._sample_s = pause_s, sample_s
        self._servers: list[ServerProcess] = []
        self._server_began_s = 0.0
        self._ending = threading.Lock()  # held while the server is away on purpose
        self._watching = threading.Thread(target=self._watch, name="watching")

    def __enter__(self) -> Studio:
        self.start_server()
        self.artists = [self._artist(number) for number in range(len(ARTISTS))]
        self._watching.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.over.set()
        self._watching.join()
        for artist in self.artists:
            artist.kill()
            artist.wait()
        self.rig.close()
        if self.disk is not None:
            subprocess.run(["umount", str(self.disk)], check=True, timeout=60)

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the end."""
        self.over.wait(seconds)

    def end_server(self, number: int) -> None:
        """By a signal; SIGTERM must be obeyed."""
        self._ending.acquire()
        code = self.rig.server.end(number)
        if number == signal.SIGTERM and code != 0:
            self.broken.append(f"a server that was told to stop ended by {code}")

    def start_server(self) -> None:
        """Start it where the last one was."""
        self.rig.start(command=REAL_SERVER, warm=False)
        self._servers.append(self.rig.server)
        self._server_began_s = time.monotonic()
        if self._ending.locked():
            self._ending.release()

    def restart_artist(self, number: int) -> None:
        """Kill one and start him again; he finds what he has written down."""
        self.artists[number].kill()
        self.artists[number].wait()
        self.artists[number] = self._artist(number)

    def stop_artists(self) -> None:
        for artist in self.artists:
            artist.kill()
            artist.wait()

    def jobs_done(self) -> Counter[str]:
        """How often a server has said of each job that it is done."""
        lines = (line for server in self._servers for line in list(server.log))
        return Counter(found[1] for line in lines if (found := _DONE.search(line)))

    def verify(self) -> None:
        """Let everything end, and add to `broken` what was promised and is not so."""
        for name in sorted(set(ARTISTS)):
            with self.rig.client(name) as client:
                for number, owner in enumerate(ARTISTS):
                    for job_id in promised(self._notes(number)) if owner == name else ():
                        self._verify_job(client, job_id)
        for job_id, times in self.jobs_done().items():
            if times > 1:
                self.broken.append(f"job {job_id} was finished {times} times")
        try:
            self.rig.check_invariants()
        except AssertionError as error:
            self.broken.append(str(error))
        for server in self._servers:
            if any("Traceback" in line for line in server.log):
                at = next(n for n, line in enumerate(server.log) if "Traceback" in line)
                self.broken.append("in a log: " + " | ".join(server.log[at : at + 30]))

    def _verify_job(self, client, job_id: str) -> None:
        try:
            info = client.job(job_id)
            if info.state is JobState.INTERRUPTED:
                client.resume(job_id)
            info = self.rig.ended(client, job_id)
        except UnknownJob:
            self.broken.append(f"job {job_id} was acknowledged and is lost")
            return
        if info.state not in FINAL_STATES:
            self.broken.append(f"job {job_id} does not end: {info}")
        if info.state is JobState.FAILED and info.error_code not in {"disk_full", "worker_died"}:
            self.broken.append(f"job {job_id} failed: {info.error_code} {info.error_text}")
        for blob in info.results.values():
            try:
                client.download(blob, self.rig.root / "verified")
            except Exception as error:
                self.broken.append(f"a result of job {job_id} is lost: {error!r}")

    def _artist(self, number: int) -> subprocess.Popen:
        pair = self.rig.keys[ARTISTS[number]]
        plan = Artist(
            endpoint=self.rig.endpoint,
            server_key=self.rig.keys["server"].public,
            keys=(pair.public, pair.secret),
            notes=str(self._notes(number)),
            seed=self.rng.randrange(1 << 30),
            pause_s=self._pause_s,
        )
        command = [sys.executable, "-m", "tests.trials.artist", msgspec.json.encode(plan).decode()]
        with (self.rig.root / f"artist {number}.log").open("a") as log:
            return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def _notes(self, number: int) -> Path:
        return self.rig.root / f"notes {number}"

    def _watch(self) -> None:
        while not self.over.wait(self._sample_s):
            with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
                self._look()

    def _look(self) -> None:
        if self._ending.locked():
            return
        server = self.rig.server
        if not server.is_running:
            self.broken.append(f"the server ended by itself: {server.log[-3:]}")
            server.wait()
            self.start_server()
            return
        process = psutil.Process(server.process.pid)
        now_s = time.monotonic()
        self.samples.append(
            Sample(
                time_s=now_s - self.began_s,
                lifetime=len(self._servers),
                age_s=now_s - self._server_began_s,
                memory_bytes=process.memory_info().rss,
                descriptors=process.num_fds(),
                threads=process.num_threads(),
                disk_bytes=_used(self.rig.data),
                jobs_done=len(self.jobs_done()),
            )
        )


def _used(folder: Path) -> int:
    """Bytes of all files of a folder."""
    return sum(
        (Path(root) / name).stat().st_size for root, _, names in os.walk(folder) for name in names
    )


def _small_disk(folder: Path) -> tuple[Path | None, str]:
    """A disk of its own for the data, or why there is none."""
    folder.mkdir()
    if os.geteuid() != 0:
        return None, "only root can mount the small disk that is to be filled"
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "none", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return (folder, "") if done.returncode == 0 else (None, done.stderr.strip())
