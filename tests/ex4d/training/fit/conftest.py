"""`ex4d train` on the small cache."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ex4d.training.fit.checkpoints import newest_checkpoint

ROOT = Path(__file__).parents[4]
SETTINGS = {
    "steps": 4, "batch_size": 2, "rank": 4, "learning_rate": 1e-3, "warmup_steps": 2,
    "held_out": 0, "checkpoint_every": 2,
}  # fmt: skip


@pytest.fixture(scope="session")
def flags(cache, models):
    """A function: the flags of a small run, changed by their names; None leaves one out."""

    def make(folder, **changes):
        given = {"cache": cache, "models": models, "output_dir": folder, **SETTINGS, **changes}
        return [f"--{name}={value}" for name, value in given.items() if value is not None]

    return make


@pytest.fixture
def train(ex4d, flags):
    """A function that runs the command in this process: its exit code, and what it printed."""
    return lambda folder, **changes: ex4d("train", *flags(folder, **changes))


@pytest.fixture
def train_in(flags):
    """A function that runs the command in so many processes of their own."""

    def run(folder, n_processes, *more, **changes):
        launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={n_processes}"]
        command = [sys.executable, *launch, "-m", "ex4d", "train", *flags(folder, **changes), *more]
        environment = {"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=240
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def values_of(run):
    """The newest checkpoint's adapter and optimiser."""
    folder = newest_checkpoint(run)
    adapter = torch.load(folder / "ex4d.ckpt", weights_only=True)
    return {**adapter, **load_file(folder / "optimizer.safetensors")}


def assert_same(one, other, atol=0.0):
    first, second = values_of(one), values_of(other)
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=0, atol=atol, msg=name)
