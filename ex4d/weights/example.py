"""The public code's own example: conditions, and the clip that its authors published for them."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ex4d.files.outputs import atomic_path, make_folder
from ex4d.weights.download import DownloadError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["FLOWER", "Example", "ExampleFile", "fetch_example"]

_HOST = "https://raw.githubusercontent.com"
_TIMEOUT_S = 60


@dataclass(frozen=True)
class ExampleFile:
    """One of its files."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Example:
    """Files of one folder of a public repository, as they were at one commit."""

    repository: str
    commit: str
    path: str  # of the folder in the repository
    folder: str  # inside the folder of the models
    licence: str
    files: tuple[ExampleFile, ...]


FLOWER = Example(
    repository="tau-yihouxiang/EX-4D",
    commit="b456a41560c3ba6357cfa3b8f6f87adc79c6a242",
    path="examples/flower",
    folder="EX-4D/examples/flower",
    licence="Apache-2.0, as the repository it is in",
    files=(
        ExampleFile(
            "render_180.mp4",
            225870,
            "b1fdb9b76774cb4222c12255f17c577db7de8912040c81fc464d9091645eff90",
        ),
        ExampleFile(
            "mask_180.mp4",
            246355,
            "213e518376b83fa365e6d725c8279a320062d792e709f295d5e5ec1e0f5c0397",
        ),
        ExampleFile(
            "output.mp4",
            1447604,
            "8dbd4eb0c637f5adb4fe9d2a4c88730ba5c1bdb7a52cf9c7276090a65b7b3da8",
        ),
    ),
)


def fetch_example(
    example: Example,
    models: Path,
    *,
    host: str = _HOST,
    report: Callable[[str], None] = lambda text: None,
) -> int:
    """Fetch the files that are not there yet, each checked, and return how many came. `report`
    gets a line for each. Raises DownloadError and OutputError."""
    target = models / example.folder
    missing = [file for file in example.files if not _is_there(target / file.name, file)]
    for number, file in enumerate(missing, start=1):
        report(f"{file.name} ({number} of {len(missing)}, {file.size_bytes / 1e6:.1f} MB)")
        url = f"{host}/{example.repository}/{example.commit}/{example.path}/{file.name}"
        data = _read(url, target, file)
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise DownloadError(f"{url} is not the file that it was (its checksum is wrong)")
        make_folder(target)
        with atomic_path(target / file.name) as temporary:
            temporary.write_bytes(data)
    return len(missing)


def _is_there(path: Path, file: ExampleFile) -> bool:
    if not path.is_file() or path.stat().st_size != file.size_bytes:
        return False
    return hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256


def _read(url: str, target: Path, file: ExampleFile) -> bytes:
    """The file's bytes, and one more if it is longer than it must be."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310  (https)
            data: bytes = answer.read(file.size_bytes + 1)
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it holds the connection
        reason = str(getattr(error, "reason", "") or error)
        raise DownloadError(
            f"{url} cannot be fetched ({reason})", advice=f"put it into {target} by hand"
        ) from None
    return data
