"""jobs: list your jobs on the server"""

from __future__ import annotations

from typing import TYPE_CHECKING

from backend.cli.link import add_link_arguments, connected, describe
from ex4d.cli.console import tell

if TYPE_CHECKING:
    import argparse

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    add_link_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each job, oldest first."""
    with connected(arguments) as client:
        for info in client.jobs():
            tell(describe(info))
    return 0
