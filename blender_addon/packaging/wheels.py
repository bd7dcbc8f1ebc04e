"""The wheels that go into the zip: which ones, and that they are those and no others.

`wheels.txt` names each with its SHA-256, as `sha256sum` writes it. The package index is asked only
for what the folder of wheels does not hold yet.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["BuildError", "Wheel", "fetch_wheels", "pinned_wheels"]

PACKAGES = {"msgspec", "pyzmq"}
_TIMEOUT_S = 300


class BuildError(Exception):
    """Why there is no zip, in one sentence."""


@dataclass(frozen=True)
class Wheel:
    """One file of the package index."""

    filename: str
    sha256: str

    @property
    def requirement(self) -> str:
        """`name==version`."""
        return "==".join(self.filename.split("-")[:2])

    @property
    def tags(self) -> tuple[str, str, list[str]]:
        """Python ("cp311"), ABI ("cp311", "abi3") and platforms."""
        python, abi, platforms = self.filename.removesuffix(".whl").split("-")[-3:]
        return python, abi, platforms.split(".")

    def is_in(self, folder: Path) -> bool:
        """Whether the folder holds this file, whole."""
        path = folder / self.filename
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == self.sha256


def pinned_wheels(listing: Path, constraints: Path) -> list[Wheel]:
    """The wheels of `wheels.txt`. Raises BuildError unless they are the versions that the server
    is tested with."""
    lines = [line.split() for line in _lines(listing)]
    wheels = [Wheel(filename, sha256) for sha256, filename in lines]
    pins = {line for line in _lines(constraints) if line.partition("==")[0] in PACKAGES}
    if {wheel.requirement for wheel in wheels} != pins:
        raise BuildError(
            f"{listing.name} must name wheels of {' and '.join(sorted(pins))}, as "
            f"{constraints.name} pins them; its first lines say how to renew it"
        )
    return wheels


def fetch_wheels(wheels: Iterable[Wheel], folder: Path) -> None:
    """Have every wheel in the folder. Raises BuildError when one cannot be had as it was pinned."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [wheel for wheel in wheels if not wheel.is_in(folder)]
    with ThreadPoolExecutor(4) as pool:
        try:
            list(pool.map(lambda wheel: _fetch(wheel, folder), missing))
        except BuildError:
            pool.shutdown(cancel_futures=True)
            raise


def _fetch(wheel: Wheel, folder: Path) -> None:
    (folder / wheel.filename).unlink(missing_ok=True)  # a damaged one would be taken as it is
    python, abi, platforms = wheel.tags
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(folder)]
    command += ["--implementation", "cp", "--python-version", python[2:], "--abi", abi]
    command += [f"--platform={platform}" for platform in platforms]
    try:
        run = subprocess.run(  # noqa: S603  (pip, with names from our own list)
            [*command, wheel.requirement], capture_output=True, text=True, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise BuildError(f"{wheel.filename} did not arrive within {_TIMEOUT_S} s") from None
    if run.returncode:
        errors = [line for line in run.stderr.splitlines() if line.startswith("ERROR")]
        raise BuildError(
            f"{wheel.filename} cannot be fetched; the first build needs the package index "
            f"(pip: {errors[-1].removeprefix('ERROR: ') if errors else 'no reason given'})"
        )
    if not wheel.is_in(folder):
        raise BuildError(f"the package index has no {wheel.filename} with the pinned SHA-256")


def _lines(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]
