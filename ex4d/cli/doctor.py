"""doctor: what of EX-4D works on this machine, what does not, and what mends it"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ex4d.cli.console import tell
from ex4d.health import examine

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from ex4d.health import Check

__all__ = ["add_arguments", "run"]

_SIGNS = {"ok": "ok", "optional": "--", "broken": "NO"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument(
        "--output_dir", type=Path, default=Path(), help="the folder whose disk is looked at"
    )


def run(arguments: argparse.Namespace, checks: Mapping[str, Check] | None = None) -> int:
    """Print a line for every part; exit 1 when something that everybody needs is broken."""
    findings = examine(arguments.output_dir, checks)
    for finding in findings:
        tell(f"{_SIGNS[finding.state]:<3} {finding.part:<11} {finding.text}")
        if finding.remedy:
            tell(f"    {'':<11} mend: {finding.remedy}")
    broken = [finding.part for finding in findings if finding.state == "broken"]
    if broken:
        tell(f"broken: {', '.join(broken)}")
        return 1
    tell("everything that recon and generate need works; lines with -- are optional parts")
    return 0
