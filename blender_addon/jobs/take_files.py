"""A take's folder on disk: what is in it is enough to take the take in again.

result.mp4, color.mp4, mask.mp4    the clip and its conditions
camera.npz                         the path that was sent, as `ex4d recon --camera` reads it
summary.json                       what the server tells of it
take.json                          what was asked for, and the job's id
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import SettingsError
from .flows import FinishedTake
from .requests import render_request_from, stored
from .results import read_summary

if TYPE_CHECKING:
    from pathlib import Path

    from .requests import RenderRequest

__all__ = ["TAKE_FILE", "read_take", "write_take"]

TAKE_FILE = "take.json"


def write_take(request: RenderRequest, job_id: str) -> None:
    """Note beside a take's clip how it was made. Raises OSError."""
    path = request.camera_file.with_name(TAKE_FILE)
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"job_id": job_id, **stored(request)}, indent=1), encoding="utf-8")
    part.replace(path)


def read_take(folder: Path) -> tuple[RenderRequest, FinishedTake]:
    """What `write_take` noted, wherever the folder lies now. Raises SettingsError for a folder that
    holds no take, MovieError for a damaged one."""
    try:
        entry = json.loads((folder / TAKE_FILE).read_text(encoding="utf-8"))
        job_id = str(entry.pop("job_id"))
        request = render_request_from(entry)
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"There is no take in {folder}.") from error
    finished = FinishedTake(job_id, folder / "result.mp4", read_summary(folder / "summary.json"))
    return replace(request, folder=str(folder)), finished
