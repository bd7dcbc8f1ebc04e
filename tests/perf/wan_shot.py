"""A whole shot through the backend with the engine wan at full size and random weights.

    PYTHONPATH=. python tests/perf/wan_shot.py [--output_dir DIR]
    PYTHONPATH=. python tests/perf/wan_shot.py --tiny     (on a CPU, to see it run)

A server in its own process, a worker in another, and the protocol's client over the loopback do
three jobs with the sample shot: one to its end, one that is cancelled in the middle of denoising,
and one on the model that is warm by then. Ends with 1 when one of them is not as it should be.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from backend.cli.submit import arrays_of
from backend.executors.local import LocalExecutor
from backend.log import log_to
from backend.server import Server
from backend.service import JobService
from backend.worker.clips import read_clip_of
from backend.worker.job_runner import JobRunner
from backend.worker.library_inputs import lens_of, read_files
from ex4d.camera.presets import orbit_radius, preset_path
from ex4d.camera.trajectory import Trajectory
from ex4d.engines.wan.engine import WanEngine
from protocol.background import BackgroundClient
from protocol.client import Client
from protocol.client.news import Disconnected, Done, Failed, JobChanged, Previewed
from protocol.messages.jobs import FINAL_STATES, DepthFiles, EngineSettings, JobState, Shot, Source
from protocol.server import SocketSettings
from protocol.wire import Address

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "examples" / "shot"
LONGEST_S = 500
STEPS_LOG, PROFILE, TINY = "EX4D_PERF_LOG", "EX4D_PERF_PROFILE", "EX4D_PERF_TINY"


class WanRunner(JobRunner):
    """Does jobs with random weights for those that cannot be had; notes when each part was done."""

    def __init__(self, device, settings):
        super().__init__(device, settings)
        self._is_tiny = os.environ[TINY] == "1"
        self._log = Path(os.environ[STEPS_LOG])

    def run(self, context):
        tell = context.progress

        def progress(stage, done, total):
            line = {"at_s": time.monotonic(), "stage": stage, "done": done, "job": context._job_id}
            with self._log.open("a") as file:
                file.write(json.dumps(line) + "\n")
            tell(stage, done, total)

        context.progress = progress
        return super().run(context)

    def _engine(self, name):
        if name != "wan":
            return super()._engine(name)
        if name not in self._engines:
            self._engines[name] = WanEngine(self._load)
        return self._engines[name]

    def _load(self, report, precision):
        import torch

        from tests.perf.wan_full_size import make_models

        report(0, 1)
        device = torch.device("cpu" if self._is_tiny else "cuda")
        folder, profile = self._log.parent, int(os.environ[PROFILE])
        models = make_models(profile, device, folder, is_tiny=self._is_tiny)
        report(1, 1)
        return models


def serve(folder):
    """Be the server, as `ex4d serve` is, until SIGTERM."""
    handler = log_to(sys.stderr)
    device = "cpu" if os.environ[TINY] == "1" else "cuda:0"
    executors = [LocalExecutor(device, runner="tests.perf.wan_shot:WanRunner")]
    service = JobService(folder, executors)
    settings = SocketSettings("tcp://127.0.0.1:0", "wan_shot", "1", ["shot"])
    Server(service, settings).run({signal.SIGINT, signal.SIGTERM})
    handler.close()


def start_server(folder, log, arguments):
    """Start a server; return its process, its address, and the thread that keeps its log."""
    environment = {STEPS_LOG: str(log), PROFILE: str(arguments.profile), TINY: "01"[arguments.tiny]}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.perf.wan_shot", "--serve", str(folder)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    ready = queue.SimpleQueue()

    def read():
        for line in process.stderr:
            print("  server:", line, end="", flush=True)
            if "endpoint=" in line:
                ready.put(line.split("endpoint=")[1].split()[0])

    reader = threading.Thread(target=read)
    reader.start()
    try:
        return process, Address(ready.get(timeout=60)), reader
    except queue.Empty:
        process.kill()
        raise


@dataclass
class Record:
    """What the client saw of a job; times are those of the monotonic clock."""

    job_id: str = ""
    submitted_s: float = 0.0
    ended_s: float = 0.0
    cancelled_s: float = 0.0
    events: list = field(default_factory=list)
    pictures: list = field(default_factory=list)  # with the time of each

    @property
    def state(self):
        return self.events[-1].state

    @property
    def stages(self):
        return list(dict.fromkeys(event.stage for event in self.events if event.stage))


def do_job(background, job, *, cancel_at=None):
    """Hand a job in and watch it to its end; cancel it when so many steps are done."""
    record = Record(submitted_s=time.monotonic())
    background.submit(job, key=uuid.uuid4().hex)
    while not (record.events and record.state in FINAL_STATES):
        news = background.news.get(timeout=LONGEST_S)
        now_s = time.monotonic()
        if isinstance(news, Failed | Disconnected):
            raise news.error
        if isinstance(news, Done) and not record.job_id:
            record.job_id = news.value.job_id
            background.watch(record.job_id)
        elif isinstance(news, Previewed):
            record.pictures.append((now_s, news))
        elif isinstance(news, JobChanged):
            record.events.append(news.event)
            is_there = news.event.stage == "denoise" and news.event.done >= (cancel_at or 1e9)
            if is_there and not record.cancelled_s:
                record.cancelled_s = now_s
                background.cancel(record.job_id)
    record.ended_s = now_s
    return record


def make_job(address, arguments):
    """The sample shot with an orbit, its files sent."""
    paths = SAMPLE / "input.mp4", SAMPLE / "depth.npz"
    with Client(address) as client:
        blobs = [client.upload(path) for path in paths]
    source = Source(blobs[0], paths[0].name, DepthFiles(blobs[1:2]), num_frames=arguments.frames)
    clip = read_clip_of(source, paths[0])
    depth = read_files(source.depth, None, [paths[1]], clip, lens_of(source, clip))
    n_frames, height, width = clip.frames.shape[:3]
    poses = preset_path(arguments.cam, n_frames, orbit_radius(depth.depth[0]))
    trajectory = arrays_of(Trajectory(poses, depth.intrinsics, (width, height)))
    side = 64 if arguments.tiny else arguments.side
    settings = EngineSettings(num_inference_steps=arguments.steps, width=side, height=side)
    return Shot(source, trajectory, engine="wan", settings=settings)


def steps_of(log, record):
    """When each denoising step of a job was done, by the worker's own notes."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    mine = [line for line in lines if line["job"] == record.job_id and line["stage"] == "denoise"]
    return [line["at_s"] for line in mine if line["done"] > 0]


def stages_of(log, record):
    """Seconds of a job by stage, by the worker's notes: `start` until its first, `hand over` after
    its last. What a GPU is still at counts where somebody waits for it."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    mine = [(line["at_s"], line["stage"]) for line in lines if line["job"] == record.job_id]
    starts = [(record.submitted_s, "start"), *mine]
    seconds = {}
    for (at_s, stage), (until_s, _) in itertools.pairwise([*starts, (record.ended_s, "")]):
        seconds[stage] = seconds.get(stage, 0) + until_s - at_s
    return seconds


def report(log, first, second, third, size):
    """The figures as rows, and whether each is as it should be."""
    sizes = [len(picture.data) for _, picture in first.pictures]
    gaps = np.diff([at_s for at_s, _ in first.pictures])
    late = sum(at_s > second.cancelled_s for at_s in steps_of(log, second))
    steps = steps_of(log, third)
    picture = first.pictures[-1][1] if first.pictures else None
    shown = f"{picture.width}x{picture.height}, {picture.frames} frames" if picture else "none"
    least = f"{gaps.min():.2f}" if len(gaps) else "-"
    told = sum(event.stage == "denoise" for event in first.events)
    begun_s = steps[0] - third.submitted_s if steps else float("nan")
    warm, stages = "load" not in third.stages, stages_of(log, third)
    return [
        ("1: state", first.state, first.state is JobState.DONE),
        ("1: seconds from submit to done", f"{first.ended_s - first.submitted_s:.1f}", True),
        ("1: stages", " ".join(first.stages), "denoise" in first.stages),
        ("1: events, of denoising", f"{len(first.events)}, {told}", told > 0),
        ("1: preview pictures", len(sizes), len(sizes) > 0),
        ("1: bytes of one", f"{min(sizes, default=0)} to {max(sizes, default=0)}", True),
        ("1: the last one", shown, True),
        ("1: seconds between two, least", least, len(gaps) == 0 or gaps.min() > 0.4),
        ("1: bytes of result.mp4", size, size > 0),
        ("2: state", second.state, second.state is JobState.CANCELLED),
        ("2: seconds to cancelled", f"{second.ended_s - second.cancelled_s:.2f}", True),
        ("2: steps done after the cancel", late, second.cancelled_s > 0 and late <= 1),
        ("2: of steps", len(steps_of(log, second)), len(steps_of(log, second)) < len(steps)),
        ("3: state", third.state, third.state is JobState.DONE),
        ("3: loads nothing", warm, warm),
        ("3: seconds to the first step's end", f"{begun_s:.1f}", begun_s > 0),
        ("3: seconds of a step, median", f"{np.median(np.diff(steps)):.2f}", True),
        ("3: seconds from submit to done", f"{third.ended_s - third.submitted_s:.1f}", True),
        *((f"3: seconds of {stage}", f"{s:.2f}", True) for stage, s in stages.items()),
        ("3: seconds beside denoising", f"{sum(stages.values()) - stages['denoise']:.2f}", True),
    ]


def run(arguments):
    """Do the three jobs and return the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder, log = Path(name), Path(name) / "steps.jsonl"
        process, address, reader = start_server(folder / "data", log, arguments)
        try:
            job = make_job(address, arguments)
            with BackgroundClient(address) as background:
                first = do_job(background, job)
                second = do_job(background, job, cancel_at=max(1, arguments.steps // 2))
                third = do_job(background, job)
            with Client(address) as client:
                info = client.job(first.job_id)
                print(info.error_text, flush=True)
                size = info.results["result.mp4"].size if info.results else 0
            if arguments.output_dir and first.pictures:
                arguments.output_dir.mkdir(parents=True, exist_ok=True)
                (arguments.output_dir / "preview.jpg").write_bytes(first.pictures[-1][1].data)
            return report(log, first, second, third, size)
        finally:
            process.terminate()
            process.wait(60)
            reader.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--frames", type=int, default=49)
    add("--steps", type=int, default=25)
    add("--cam", default="30")
    add("--side", type=int, default=512, help="that the engine works at")
    add("--profile", type=int, default=80)
    add("--tiny", action="store_true", help="tiny models on the CPU")
    add("--output_dir", type=Path, default=os.environ.get("OUT"), help="for preview.jpg")
    add("--serve", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return 0
    if arguments.tiny:
        arguments.frames = min(arguments.frames, 9)
    rows = run(arguments)
    for what, value, is_right in rows:
        print(f"{what:36}  {value!s:40}{'' if is_right else '  <- WRONG'}", flush=True)
    return 0 if all(is_right for *_, is_right in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
