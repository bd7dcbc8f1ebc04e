"""What a training run is given, and its `config.toml`."""

from __future__ import annotations

import math
import tomllib
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

import msgspec

from ex4d.errors import InputError, UsageError
from ex4d.files.manifest import Run
from ex4d.files.names import shown_text
from ex4d.files.outputs import check_names, staged_file
from ex4d.files.text_files import read_text
from ex4d.files.toml_values import toml_value

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "CONFIG_FILE",
    "TrainSettings",
    "check_config",
    "check_same_run",
    "read_config",
    "write_config",
]

CONFIG_FILE = "config.toml"


def _setting(default: Any, help: str, *, fixed: bool = True) -> Any:
    """A setting with its help; one that is `fixed` must stay the same when a run is continued."""
    return field(default=default, metadata={"help": help, "fixed": fixed})


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """All settings of a run. Raises UsageError for values that cannot be."""

    cache: str = _setting("", "folder made by ex4d cache", fixed=False)
    models: str = _setting("", "folder of the weights; default: $EX4D_MODELS", fixed=False)
    start_from: str = _setting("", "an ex4d.ckpt to begin with; default: an adapter without effect")
    steps: int = _setting(10_000, "steps of the optimiser", fixed=False)
    batch_size: int = _setting(8, "samples for each step, on all GPUs together")
    learning_rate: float = _setting(3e-5, "of AdamW, after the warm-up")
    warmup_steps: int = _setting(100, "the learning rate rises for so many steps, then it stays")
    weight_decay: float = _setting(0.01, "of AdamW")
    max_grad_norm: float = _setting(1.0, "longer gradients are shortened to this")
    rank: int = _setting(16, "of the low-rank changes; the public code loads 16")
    prompt_dropout: float = _setting(0.1, "share of samples that get the empty prompt")
    held_out: int = _setting(4, "at least so many clips are kept from training, whole videos")
    seed: int = _setting(0, "of the adapter's first values, of the order of clips and of all noise")
    checkpoint_every: int = _setting(250, "steps between checkpoints", fixed=False)
    keep_checkpoints: int = _setting(3, "the last so many are kept", fixed=False)
    sample_every: int = _setting(1000, "steps between looks at held-out clips", fixed=False)
    samples: int = _setting(2, "sample videos at each look", fixed=False)
    sample_steps: int = _setting(25, "inference steps of a sample video", fixed=False)
    vram: int = _setting(0, "GiB of each GPU to plan for; 0: what it has", fixed=False)
    shard: bool = _setting(False, "split the frozen weights over the GPUs (FSDP)", fixed=False)

    def __post_init__(self) -> None:
        smallest = {
            "steps": 1, "batch_size": 1, "warmup_steps": 0, "rank": 1, "held_out": 0, "seed": 0,
            "checkpoint_every": 1, "keep_checkpoints": 1, "sample_every": 1, "samples": 0,
            "sample_steps": 1, "vram": 0, "weight_decay": 0, "learning_rate": 0,
        }  # fmt: skip
        for name, limit in smallest.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= limit):
                raise UsageError(f"{name} is {value}; it must be at least {limit}")
        if not (math.isfinite(self.max_grad_norm) and self.max_grad_norm > 0):
            raise UsageError(f"max_grad_norm is {self.max_grad_norm}; it must be more than 0")
        if not 0 <= self.prompt_dropout <= 1:
            raise UsageError(f"prompt_dropout is {self.prompt_dropout}; it must be 0 to 1")


def read_config(path: Path) -> dict[str, Any]:
    """Read settings, any of them, by their names. Raises InputError for a file that is missing or
    damaged, and for names and types that are not those of settings."""
    try:
        content = tomllib.loads(read_text(path))
        for name in content:
            if name not in {known.name for known in fields(TrainSettings)}:
                raise InputError(
                    f"{path} has {shown_text(name)}, which is no setting of ex4d train"
                )
        msgspec.convert(content, TrainSettings)
    except UsageError as error:
        raise InputError(f"{path}: {error}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except RecursionError:
        raise InputError(f"{path} is not right: it is nested too deeply") from None
    except ValueError as error:  # tomllib's and msgspec's errors, which may quote the text
        raise InputError(f"{path} is not right: {shown_text(error)}") from None
    return content


def write_config(path: Path, settings: TrainSettings) -> None:
    """Write all settings. Raises OutputError, also rather than replace a file that is not as it was
    written here: somebody's own, or one that somebody has changed."""
    if _is_there(path, settings):
        return
    with staged_file(path, Run("train", path.name)) as staged:
        staged.write_bytes(_text(settings))


def check_config(path: Path, settings: TrainSettings) -> None:
    """Raise OutputError when write_config would."""
    if not _is_there(path, settings):
        check_names(path.parent, Run("train", path.name), [path.name])


def _is_there(path: Path, settings: TrainSettings) -> bool:
    return path.is_file() and path.read_bytes() == _text(settings)


def _text(settings: TrainSettings) -> bytes:
    lines = [f"{name} = {toml_value(value)}\n" for name, value in asdict(settings).items()]
    return "".join(lines).encode("utf-8", "surrogateescape")


def check_same_run(before: TrainSettings, now: TrainSettings, folder: Path) -> None:
    """Raise UsageError when a run cannot be continued with these settings, naming the first."""
    for setting in fields(TrainSettings):
        there, asked = getattr(before, setting.name), getattr(now, setting.name)
        if setting.metadata["fixed"] and there != asked:
            raise UsageError(
                f"the run in {folder} was begun with {setting.name} {there}, and {asked} was asked "
                "for now: give another --output_dir for a new run"
            )
