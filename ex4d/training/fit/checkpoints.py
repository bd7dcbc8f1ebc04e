"""A training run on disk, which can be continued exactly.

    RUN/config.toml                          TrainSettings
    RUN/ex4d.ckpt                            the newest checkpoint's, for `ex4d generate`
    RUN/checkpoints/step-N/ex4d.ckpt         the adapter after N steps
    RUN/checkpoints/step-N/optimizer.safetensors
    RUN/checkpoints/step-N/state.json        RunState
    RUN/samples/, RUN/tensorboard/

A checkpoint's folder appears whole or not at all, also when the process is killed. There is no
other state: what a step draws follows from the seed and its number, see `sample_choices`.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save

from ex4d.engines.wan.folder import EX4D_FILE
from ex4d.engines.wan.weights import check_names, open_tensors
from ex4d.files.outputs import atomic_folder, atomic_path
from ex4d.training.cache.files import CacheSettings  # noqa: TC001  (read at run time)
from ex4d.training.records import read_record_file, write_record_file

if TYPE_CHECKING:
    from pathlib import Path

    from ex4d.training.fit.adapter import Adapter

__all__ = [
    "FORMAT",
    "RunState",
    "load_optimizer",
    "newest_checkpoint",
    "read_state",
    "save_checkpoint",
]

FORMAT = 1
_FOLDER, _OPTIMIZER, _STATE = "checkpoints", "optimizer.safetensors", "state.json"
_NAME = re.compile(r"step-(\d+)")
_MOMENTS = ("exp_avg", "exp_avg_sq")  # AdamW's, by its own names


@dataclass(frozen=True)
class RunState:
    """How far a run is, and what it was trained on."""

    step: int  # steps that were made
    cache: CacheSettings
    clips: str  # tells whether they are still the same
    format: int = FORMAT


def save_checkpoint(
    run: Path, state: RunState, adapter: Adapter, optimizer: Any, *, keep: int
) -> Path:
    """Write a checkpoint, and then delete all but the last `keep`. Raises OutputError."""
    target = run / _FOLDER / f"step-{state.step:08}"
    values = {name: p.detach().cpu().clone() for name, p in adapter.tensors().items()}
    with atomic_folder(target) as folder:
        torch.save(values, folder / EX4D_FILE)
        (folder / _OPTIMIZER).write_bytes(save(_moments(adapter, optimizer)))
        write_record_file(folder / _STATE, state)
    with atomic_path(run / EX4D_FILE) as temporary:
        shutil.copyfile(target / EX4D_FILE, temporary)
    for _, old in _checkpoints(run)[:-keep]:
        gone = old.with_name(f".{old.name}")  # half of a checkpoint must not look like one
        old.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
    return target


def newest_checkpoint(run: Path) -> Path | None:
    """The folder of the checkpoint with the most steps."""
    found = _checkpoints(run)
    return found[-1][1] if found else None


def load_optimizer(folder: Path, step: int, adapter: Adapter, optimizer: Any) -> None:
    """Give the adapter's AdamW the values of a checkpoint. Raises WeightsError."""
    ours = adapter.tensors()
    stored = open_tensors([folder / _OPTIMIZER])
    expected = {f"{n}.{part}": tuple(p.shape) for n, p in ours.items() for part in _MOMENTS}
    check_names(stored, expected, "the optimiser")
    numbers = {parameter: number for number, parameter in enumerate(adapter.parameters())}
    moments = {
        numbers[parameter]: {
            "step": torch.tensor(float(step)),
            **{part: stored[f"{name}.{part}"].load() for part in _MOMENTS},
        }
        for name, parameter in ours.items()
    }
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})


def read_state(folder: Path) -> RunState:
    """Read the state of a checkpoint. Raises InputError."""
    return read_record_file(folder / _STATE, RunState, FORMAT)


def _moments(adapter: Adapter, optimizer: Any) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{part}": optimizer.state[parameter][part].cpu().contiguous()
        for name, parameter in adapter.tensors().items()
        for part in _MOMENTS
    }


def _checkpoints(run: Path) -> list[tuple[int, Path]]:
    folder = run / _FOLDER
    paths = folder.iterdir() if folder.is_dir() else ()
    return sorted((int(m[1]), path) for path in paths if (m := _NAME.fullmatch(path.name)))
