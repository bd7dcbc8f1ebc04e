"""cancel: stop a job"""

from __future__ import annotations

from typing import TYPE_CHECKING

from backend.cli.link import add_link_arguments, connected, describe
from ex4d.cli.console import tell

if TYPE_CHECKING:
    import argparse

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("job_id")
    add_link_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask that a job stop; one that has ended stays as it is."""
    with connected(arguments) as client:
        tell(describe(client.cancel(arguments.job_id)))
    return 0
