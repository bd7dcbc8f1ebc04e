"""watch: follow a job until it is over"""

from __future__ import annotations

from typing import TYPE_CHECKING

from backend.cli.link import add_link_arguments, connected, describe, failed
from ex4d.cli.console import progress_bar, tell
from protocol.jobs import JobInfo, JobState

if TYPE_CHECKING:
    import argparse

    from protocol.client import Client

__all__ = ["add_arguments", "follow", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("job_id")
    add_link_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show a job's progress; exit 1 unless it ends well."""
    with connected(arguments) as client:
        tell(describe(follow(client, arguments.job_id)))
    return 0


def follow(client: Client, job_id: str) -> JobInfo:
    """Wait until a job is over, and return it. Raises JobFailed unless it is done."""
    with progress_bar("job") as progress:
        for event in client.attach(job_id):
            if event.total:
                progress(event.done, event.total)
    info = client.job(job_id)
    if info.state is not JobState.DONE:
        raise failed(info)
    return info
