"""What a take list shows of a result without opening its clips."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np

    from ex4d.video.reader import Clip

__all__ = ["write_summary"]


def write_summary(
    path: Path,
    mask: np.ndarray,  # bool [T, H, W], true where the source is visible
    clip: Clip,
    settings: Mapping[str, str | int] | None = None,
) -> None:
    """Write the JSON object that SPEC.md describes under `Results`.

    `clip`: the source. `settings`: engine, seed, and the clip's own size, of a result that an
    engine has made.
    """
    n_frames, height, width = mask.shape
    summary = {
        "coverage": [round(float(share), 6) for share in mask.mean(axis=(1, 2))],
        "n_frames": n_frames,
        "width": width,
        "height": height,
        "fps": f"{clip.fps.numerator}/{clip.fps.denominator}",
        "notes": list(clip.notes),
        **(settings or {}),
    }
    if clip.start_number is not None:
        summary["first_frame"] = clip.start_number
    path.write_text(json.dumps(summary), encoding="utf-8")
