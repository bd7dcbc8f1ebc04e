"""download: fetch the weights of the diffusion engine"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ex4d.cli.console import say
from ex4d.download import PARTS, fetch, where_files_go
from ex4d.engines.wan.folder import default_folder
from ex4d.errors import UsageError

if TYPE_CHECKING:
    import argparse

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    add = parser.add_argument
    add("part", nargs="*", metavar="PART", help=f"{' or '.join(PARTS)}; default: both")
    add("--models", type=Path, help="folder for the weights; default: $EX4D_MODELS")
    add("--list", action="store_true", help="only say which files belong where")


def run(arguments: argparse.Namespace) -> int:
    """Fetch the parts that were named."""
    for name in arguments.part:
        if name not in PARTS:
            raise UsageError(f"there is no part {name!r}: choose from {', '.join(PARTS)}")
    models = arguments.models or default_folder()
    for name in arguments.part or PARTS:
        part = PARTS[name]
        say(name, f"huggingface.co/{part.repository}, about {part.size_gib:g} GiB")
        say("licence", part.licence)
        if arguments.list:
            for line in where_files_go(part, models):
                say("", line)
            continue
        n_files = fetch(part, models, report=lambda text: say("file", text))
        say("done", f"{n_files} files fetched, all there: {models / part.folder}")
    return 0
