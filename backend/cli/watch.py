"""watch: follow a job until it is over"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from backend.cli.link import add_link_arguments, connected, describe, failed
from ex4d.cli.console import progress_bar, tell
from ex4d.errors import OutputError
from protocol.messages.jobs import JobInfo, JobState

if TYPE_CHECKING:
    import argparse

    from protocol.client import Client

__all__ = ["add_arguments", "follow", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("job_id")
    parser.add_argument(
        "--previews",
        type=Path,
        metavar="DIR",
        help="write pictures of what the job has made by now there, each step's as a JPEG",
    )
    add_link_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show a job's progress; exit 1 unless it ends well."""
    with connected(arguments) as client:
        tell(describe(follow(client, arguments.job_id, previews=arguments.previews)))
    return 0


def follow(client: Client, job_id: str, *, previews: Path | None = None) -> JobInfo:
    """Wait until a job is over, and return it; its preview pictures are written to a folder.
    Raises JobFailed unless it is done, OutputError."""
    with progress_bar("job") as progress:
        for event in client.attach(job_id, previews=previews is not None):
            if event.total:
                progress(event.done, event.total)
            if previews is not None:
                _write_preview(client, job_id, previews)
    info = client.job(job_id)
    if info.state is not JobState.DONE:
        raise failed(info)
    return info


def _write_preview(client: Client, job_id: str, folder: Path) -> None:
    """Write the latest picture, if there is a new one, beside those that are there."""
    preview = client.take_preview(job_id)
    if preview is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = 1 + len(list(folder.glob(f"{job_id}_*.jpg")))
        (folder / f"{job_id}_{number:04d}.jpg").write_bytes(preview.data)
    except OSError as error:
        raise OutputError(f"{folder}: {error.strerror}") from error
