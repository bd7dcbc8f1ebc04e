"""A folder of results that is written and looked at."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ex4d.files.manifest import MANIFEST, Run
from ex4d.files.outputs import staged_folder

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["contents", "write"]

RUN = Run("recon", "30")


def write(folder: Path, files: dict[str, str], run: Run = RUN) -> None:
    with staged_folder(folder, run, files) as staging:
        for name, text in files.items():
            (staging / name).parent.mkdir(exist_ok=True)
            (staging / name).write_text(text)


def contents(root: Path) -> dict[str, str]:
    """Every file and link below a folder, manifests aside."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(root))] = f"-> {os.readlink(path)}"
        elif path.is_file() and path.name != MANIFEST:
            found[str(path.relative_to(root))] = path.read_text()
    return found
