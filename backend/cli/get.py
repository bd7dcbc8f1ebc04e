"""get: fetch a finished job's files"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backend.cli.link import add_link_arguments, connected, failed
from ex4d.cli.console import say
from ex4d.files.manifest import Run
from ex4d.files.outputs import staged_folder
from protocol.messages.jobs import JobInfo, JobState

if TYPE_CHECKING:
    import argparse

    from protocol.client import Client

__all__ = ["add_arguments", "fetch", "run"]

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("job_id")
    parser.add_argument("--output_dir", type=Path, required=True, help="folder for the files")
    add_link_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Fetch every result of a job that is done."""
    with connected(arguments) as client:
        info = client.job(arguments.job_id)
        if info.state is not JobState.DONE:
            raise failed(info)
        fetch(client, info, arguments.output_dir)
    return 0


def fetch(client: Client, info: JobInfo, folder: Path, reads: tuple[Path, ...] = ()) -> None:
    """Download the results of a job into a folder: all of them, or none; those of another job that
    lie there go. Raises OutputError where something else lies there, or one of `reads`."""
    names = [Path(name).name for name in info.results]
    made_by = Run("get", settings={"job": info.job_id}, reads=reads)
    with staged_folder(folder, made_by, names) as staging:
        for name, blob in info.results.items():
            client.download(blob, staging / Path(name).name)
    say("wrote", f"{folder}: {', '.join(sorted(info.results))}")
    for note in _notes(folder, info):
        _log.warning("%s", note)


def _notes(folder: Path, info: JobInfo) -> list[str]:
    """What the server says of the clip; nothing where it is of another version."""
    with suppress(ValueError, KeyError):
        if "summary.json" in info.results:
            summary = json.loads((folder / "summary.json").read_text("utf-8"))
            return [str(note) for note in summary["notes"]]
        if "reconstruction.npz" in info.results:
            with np.load(folder / "reconstruction.npz", allow_pickle=False) as arrays:
                return str(arrays["notes"].tobytes(), "utf-8").splitlines()
    return []
