"""download: fetch the weights of the diffusion engine, or of a depth estimator"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ex4d.cli.console import say
from ex4d.depth.estimators.catalogue import ESTIMATORS
from ex4d.engines.wan.parts import PARTS as ENGINE_PARTS
from ex4d.engines.wan.parts import USUAL_PARTS
from ex4d.errors import UsageError
from ex4d.weights.download import fetch, where_files_go
from ex4d.weights.example import FLOWER, fetch_example
from ex4d.weights.folder import default_folder

if TYPE_CHECKING:
    import argparse

    from ex4d.weights.download import Part
    from ex4d.weights.example import Example

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    add = parser.add_argument
    names = ", ".join([*ENGINE_PARTS, *ESTIMATORS])
    add("name", nargs="*", metavar="NAME", help=f"{names}; default: wan and ex4d")
    add("--models", type=Path, help="folder for the weights; default: $EX4D_MODELS")
    add("--example", action="store_true", help="the public code's own example, for ex4d verify")
    add("--list", action="store_true", help="only say which files belong where")


def run(arguments: argparse.Namespace) -> int:
    """Fetch the weights that were named."""
    known: dict[str, tuple[Part, ...]] = {name: (part,) for name, part in ENGINE_PARTS.items()}
    known |= {name: entry.parts for name, entry in ESTIMATORS.items()}
    for name in arguments.name:
        if name not in known:
            raise UsageError(f"there is nothing called {name!r}: choose from {', '.join(known)}")
    models = arguments.models or default_folder()
    if arguments.example:
        _fetch_example(FLOWER, models, only_list=arguments.list)
    default = () if arguments.example else USUAL_PARTS
    for name in arguments.name or default:
        for part in known[name]:
            _fetch(name, part, models, only_list=arguments.list)
    return 0


def _fetch_example(example: Example, models: Path, *, only_list: bool) -> None:
    folder = models / example.folder
    say("example", f"github.com/{example.repository}/tree/{example.commit[:7]}/{example.path}")
    say("licence", example.licence)
    if only_list:
        for file in example.files:
            say("", str(folder / file.name))
        return
    n_files = fetch_example(example, models, report=lambda text: say("file", text))
    say("done", f"{n_files} files fetched, all there: {folder}")


def _fetch(name: str, part: Part, models: Path, *, only_list: bool) -> None:
    say(name, f"huggingface.co/{part.repository}, about {part.size_gib:g} GiB")
    say("licence", part.licence)
    if only_list:
        for line in where_files_go(part, models):
            say("", line)
        return
    n_files = fetch(part, models, report=lambda text: say("file", text))
    say("done", f"{n_files} files fetched, all there: {models / part.folder}")
