"""A training run on disk, which can be continued exactly.

    RUN/config.toml                          TrainSettings
    RUN/ex4d.ckpt                            the newest checkpoint's, for `ex4d generate`
    RUN/checkpoints/step-N/ex4d.ckpt         the adapter after N steps
    RUN/checkpoints/step-N/optimizer.safetensors
    RUN/checkpoints/step-N/state.json        RunState
    RUN/samples/, RUN/tensorboard/

A checkpoint's folder appears whole or not at all, also when the process is killed. There is no
other state: what a step draws follows from the seed and its number, see `draws`.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import torch
from safetensors.torch import save

from ex4d.engines.wan.folder import EX4D_FILE
from ex4d.engines.wan.weights import check_names, open_tensors
from ex4d.errors import InputError
from ex4d.outputs import atomic_folder, atomic_path
from ex4d.training.cache.files import CacheSettings  # noqa: TC001  (msgspec reads it)

if TYPE_CHECKING:
    from pathlib import Path

    from ex4d.engines.wan.weights import Shapes
    from ex4d.training.fit.adapter import Adapter

__all__ = ["FORMAT", "RunState", "load_checkpoint", "newest_checkpoint", "save_checkpoint"]

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
        (folder / _STATE).write_text(json.dumps(asdict(state), indent=2) + "\n", "ascii")
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


def load_checkpoint(
    folder: Path, adapter: Adapter, optimizer: Any, transformer: Shapes
) -> RunState:
    """Give the adapter and its AdamW the values of a checkpoint. Raises InputError."""
    state = _read_state(folder / _STATE)
    adapter.load(folder / EX4D_FILE, transformer)
    ours = adapter.tensors()
    stored = open_tensors([folder / _OPTIMIZER])
    expected = {f"{n}.{part}": tuple(p.shape) for n, p in ours.items() for part in _MOMENTS}
    check_names(stored, expected, "the optimiser")
    numbers = {parameter: number for number, parameter in enumerate(adapter.parameters())}
    moments = {
        numbers[parameter]: {
            "step": torch.tensor(float(state.step)),
            **{part: stored[f"{name}.{part}"].load() for part in _MOMENTS},
        }
        for name, parameter in ours.items()
    }
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})
    return state


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


def _read_state(path: Path) -> RunState:
    try:
        content = json.loads(path.read_bytes())
        found = content.get("format") if isinstance(content, dict) else None
        if found != FORMAT:
            raise InputError(f"{path} has format {found}, this version reads format {FORMAT}")
        return msgspec.convert(content, RunState)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}") from None
