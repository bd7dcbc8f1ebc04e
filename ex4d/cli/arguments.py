"""What was typed, made into what argparse understands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

__all__ = ["expand_home", "with_dashed_names", "with_underscores"]

_NAMES_A_FILE = ("depth", "server_key")  # or something else: these are no Path


def with_underscores(argv: Sequence[str]) -> list[str]:
    """Accept flags with `-` and with `_`: --save-mesh is --save_mesh."""
    changed = []
    for argument in argv:
        flag, separator, value = argument.partition("=")
        if flag.startswith("--") and len(flag) > 2:
            argument = "--" + flag[2:].replace("-", "_") + separator + value
        changed.append(argument)
    return changed


def with_dashed_names(parser: argparse.ArgumentParser, argv: Sequence[str]) -> list[str]:
    """Let a flag's value begin with a dash, as a file's name may: `--depth -a.npz` becomes
    `--depth=-a.npz`, unless `-a.npz` is a flag itself."""
    changed: list[str] = []
    flags = parser._option_string_actions  # argparse tells no other way
    for argument in argv:
        before = flags.get(changed[-1]) if changed else None
        takes_one = before is not None and before.nargs is None and "--" not in changed[:-1]
        is_dashed = argument.startswith("-") and not argument.startswith("--")
        if takes_one and is_dashed and len(argument) > 1 and argument not in flags:
            changed[-1] += f"={argument}"
        else:
            changed.append(argument)
    return changed


def expand_home(arguments: argparse.Namespace) -> None:
    """Make `~` the home folder where a shell did not: in --output_dir=~/shot."""
    for name, value in vars(arguments).items():
        is_path = isinstance(value, Path) or (name in _NAMES_A_FILE and value is not None)
        if is_path and str(value).startswith("~"):
            try:
                expanded = Path(value).expanduser()
            except RuntimeError:  # nobody of that name has a home
                continue
            setattr(arguments, name, type(value)(expanded))
