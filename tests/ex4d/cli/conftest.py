"""A small shot on disk, and the command run on it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ex4d.cli.main import main
from ex4d.video.writer import write_video

FPS = Fraction(30000, 1001)
ROOT = Path(__file__).parents[3]

# Under a shell that runs the tests in the background, children ignore Ctrl-C from their start.
INTERRUPTIBLE = """
import signal, sys
from ex4d.cli.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""


@dataclass(frozen=True)
class Answer:
    """What a command answered."""

    exit_code: int
    out: str
    err: str


def make_shot(folder: Path, n_frames: int = 6, size: tuple[int, int] = (64, 48)) -> Path:
    """Write `clip.mp4` and `depth.npz`: a red box moves in front of a coloured wall."""
    width, height = size
    wall = np.empty((height, width, 3), np.uint8)
    wall[..., 0] = np.linspace(60, 250, width)[None, :]
    wall[..., 1] = np.linspace(60, 250, height)[:, None]
    wall[..., 2] = 120
    frames = np.repeat(wall[None], n_frames, axis=0)
    depth = np.full((n_frames, height, width), 6, np.float32)
    for frame in range(n_frames):
        left = width // 4 + frame % (width // 4)
        box = np.s_[frame, height // 4 : 3 * height // 4, left : left + width // 4]
        frames[box], depth[box] = (220, 60, 30), 2
    folder.mkdir(exist_ok=True)
    write_video(folder / "clip.mp4", frames, FPS)
    np.savez_compressed(folder / "depth.npz", depth=depth)
    return folder


@pytest.fixture(scope="session")
def shot(tmp_path_factory) -> Path:
    """A folder with a clip of 6 frames and its depth; nobody writes into it."""
    return make_shot(tmp_path_factory.mktemp("shot"))


@pytest.fixture(scope="session")
def long_shot(tmp_path_factory) -> Path:
    """A shot that takes seconds to render."""
    return make_shot(tmp_path_factory.mktemp("long_shot"), 49, (512, 384))


@pytest.fixture
def ex4d(capsys):
    """A function that runs the command in this process."""

    def run(*arguments: object) -> Answer:
        capsys.readouterr()
        try:
            exit_code = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            exit_code = stop.code
        return Answer(exit_code, *capsys.readouterr())

    return run


@pytest.fixture
def recon(ex4d, shot, tmp_path):
    """A function that runs recon on the small shot, into `tmp_path / "out"`; flags may be changed
    by their names, and None leaves one out."""

    def run(*more: object, **changes: object) -> Answer:
        return ex4d("recon", *recon_flags(shot, tmp_path / "out", changes), *more)

    return run


def recon_flags(shot: Path, output_dir: Path, changes: dict[str, object]) -> list[str]:
    flags = {
        "input_video": shot / "clip.mp4",
        "depth": shot / "depth.npz",
        "output_dir": output_dir,
        **changes,
    }
    return [f"--{name}={value}" for name, value in flags.items() if value is not None]


@pytest.fixture
def process(shot, tmp_path):
    """A function that runs recon on a shot in a process of its own."""

    def run(shot: Path = shot, prefix: tuple[str, ...] = (), **changes: object) -> Answer:
        flags = recon_flags(shot, tmp_path / "out", changes)
        command = [*prefix, sys.executable, "-m", "ex4d", "recon", *flags]
        finished = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
        return Answer(finished.returncode, finished.stdout, finished.stderr)

    return run


@pytest.fixture
def start_process(long_shot, tmp_path):
    """A function that starts recon on the long shot and waits until it renders."""
    started = []

    def start() -> subprocess.Popen:
        flags = recon_flags(long_shot, tmp_path / "out", {})
        command = [sys.executable, "-c", INTERRUPTIBLE, "recon", *flags]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, text=True, cwd=ROOT, **pipes))
        for line in started[0].stdout:
            if line.startswith("camera"):  # the last line before it renders
                break
        return started[0]

    yield start
    for process in started:
        process.kill()
        process.communicate()
