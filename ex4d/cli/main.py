"""The command `ex4d` and its commands.

Exit codes: 0 done, 2 wrong use or bad input (one sentence on stderr says which), 1 anything else.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.metadata
import importlib.util
import io
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ex4d.cli.arguments import expand_home, with_dashed_names, with_underscores
from ex4d.cli.console import only_facts
from ex4d.errors import Ex4dError, TooLargeError
from ex4d.runtime.lack_of_memory import is_lack_of_memory, lack_in_words
from ex4d.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

__all__ = ["main"]

# Modules of ex4d.cli; other packages add theirs as entry points. Each is loaded only when it is
# asked for: --help answers at once, and the doctor can tell of a part that does not even load.
_COMMANDS = (
    "recon",
    "generate",
    "demo",
    "doctor",
    "download",
    "masks",
    "cache",
    "train",
    "evaluate",
    "verify",
)


class _Parser(argparse.ArgumentParser):
    """One plain sentence for a wrong use instead of the whole usage."""

    def error(self, message: str) -> None:  # type: ignore[override]
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    """The command and its flags. Exits as argparse does."""
    argv = with_underscores(argv)
    parser, command = _parsers(argv)
    if command is not None:
        argv = with_dashed_names(command, argv)
    arguments = parser.parse_args(argv)
    expand_home(arguments)
    return arguments


def _parsers(
    argv: Sequence[str],
) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser | None]:
    """The parser of everything, and in it the one of the command that is asked for."""
    parser = _Parser(prog="ex4d", description="Re-shoot a video from any camera.")
    parser.add_argument("--version", action="version", version=f"ex4d {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    modules = {name: f"ex4d.cli.{name}" for name in _COMMANDS}
    for point in importlib.metadata.entry_points(group="ex4d.commands"):
        modules.setdefault(point.name, point.value)
    asked = None
    for name, module in modules.items():
        summary = _summary(module)
        subparser = subparsers.add_parser(name, help=summary, description=summary)
        if name in argv[:1]:
            command = importlib.import_module(module)
            command.add_arguments(subparser)
            subparser.set_defaults(run=command.run)
            asked = subparser
    return parser, asked


def _summary(module: str) -> str:
    """What a command does, from its docstring `name: summary`, without loading it."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return "not installed"
    docstring = ast.get_docstring(ast.parse(Path(spec.origin).read_text("utf-8"))) or ""
    return docstring.partition("\n")[0].partition(": ")[2]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every console has every letter
    try:
        arguments = _parsed(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:  # while a command was loading
        return 2
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("note: %(message)s"))
    log = logging.getLogger("ex4d")
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    previous = signal.signal(signal.SIGTERM, _interrupt)  # render farms stop jobs with it
    try:
        with only_facts():
            exit_code: int = arguments.run(arguments)
    except Ex4dError as error:
        print(f"ex4d {arguments.command}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(
            f"\nex4d {arguments.command}: stopped; nothing was left half-written", file=sys.stderr
        )
        return 2
    except BrokenPipeError:  # who read the output has gone: | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if not is_lack_of_memory(error):
            raise
        print(f"ex4d {arguments.command}: {lack_in_words(error)}", file=sys.stderr)
        return TooLargeError.exit_code
    else:
        return exit_code
    finally:
        signal.signal(signal.SIGTERM, previous)
        log.removeHandler(handler)


def _interrupt(signal_number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
