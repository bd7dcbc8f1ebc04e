"""train: teach the adapter on a cache of clips and masks"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ex4d.cli.console import say
from ex4d.engines.wan.diffsynth import NEEDED
from ex4d.engines.wan.folder import EX4D_FILE
from ex4d.errors import MissingPartError, UsageError
from ex4d.runtime.packages import absent_packages
from ex4d.training.fit.settings import (
    CONFIG_FILE,
    TrainSettings,
    check_config,
    check_same_run,
    read_config,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from ex4d.training.fit.run import Listener

__all__ = ["add_arguments", "run"]

_NEEDED = (*NEEDED, "accelerate", "tensorboardX")
_PATHS = ("cache", "models", "start_from")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags: one for each setting."""
    parser.epilog = (
        "On several GPUs: torchrun --nproc_per_node=8 -m ex4d train ..., or accelerate launch. The "
        "same command goes on after the newest checkpoint in --output_dir."
    )
    parser.add_argument("--output_dir", required=True, type=Path, help="the run's folder")
    parser.add_argument("--config", type=Path, help="a config.toml, as beside every run")
    for setting in fields(TrainSettings):
        shown = f" (default {setting.default})" if setting.default else ""
        options: dict[str, Any] = {"type": type(setting.default)}
        if options["type"] is bool:
            options = {"action": "store_true"}
        if setting.name == "vram":
            options["choices"] = (80, 48)
        help_text = setting.metadata["help"] + shown
        parser.add_argument(f"--{setting.name}", default=None, help=help_text, **options)


def run(arguments: argparse.Namespace) -> int:
    """Begin a run, or go on with one."""
    absent = absent_packages(_NEEDED)
    if absent:
        raise MissingPartError(f'ex4d train needs {", ".join(absent)}: pip install "ex4d[train]"')
    folder = arguments.output_dir
    settings = _settings(arguments, folder)
    _check_place(settings, folder)
    from ex4d.training.fit.run import train

    with _listener() as listener:
        train(settings, folder, listener)
    return 0


def _settings(arguments: argparse.Namespace, folder: Path) -> TrainSettings:
    """Those of the run that is there, changed by --config, changed by flags."""
    before = {}
    if (folder / CONFIG_FILE).exists():
        before = read_config(folder / CONFIG_FILE)
    elif folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} holds something else than a run of ex4d train")
    given = read_config(arguments.config) if arguments.config is not None else {}
    flags = {field.name: getattr(arguments, field.name) for field in fields(TrainSettings)}
    flags = {name: value for name, value in flags.items() if value is not None}
    for name in _PATHS:  # the config must hold anywhere
        if flags.get(name):
            flags[name] = str(Path(flags[name]).resolve())
    settings = TrainSettings(**{**before, **given, **flags})
    if before:
        check_same_run(TrainSettings(**before), settings, folder)
    return settings


def _check_place(settings: TrainSettings, folder: Path) -> None:
    """Refuse to replace what is read, or is somebody's own, before any work."""
    newest, start = folder / EX4D_FILE, Path(settings.start_from)
    if settings.start_from and newest.exists() and start.exists() and newest.samefile(start):
        raise UsageError(f"the run would replace {newest}, which is read: give another folder")
    check_config(folder / CONFIG_FILE, settings)


@contextmanager
def _listener() -> Iterator[Listener]:
    """Facts on stdout, and a bar of the steps on stderr, on a terminal only."""
    from ex4d.training.fit.run import Listener

    with tqdm(desc="train    ", unit="step", disable=None, leave=False) as bar:

        class Console(Listener):
            def loading(self, done: int, total: int) -> None:
                bar.set_postfix(loading=f"{done}/{total}")

            def said(self, what: str, text: str) -> None:
                with tqdm.external_write_mode():
                    say(what, text)

            def stepped(self, step: int, total: int, figures: Any) -> None:
                bar.total = total
                bar.set_postfix(loss=f"{figures.loss:.4f}", refresh=False)
                bar.update(step - bar.n)

        yield Console()
