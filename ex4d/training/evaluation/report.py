"""What was measured, as a table to read, files to keep, and a picture."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import numpy as np

from ex4d.files.contact_sheet import write_png
from ex4d.files.outputs import atomic_path
from ex4d.training.evaluation.curves import draw_curves, mean_curves
from ex4d.training.evaluation.metrics import METRICS, REGIONS, mean_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ex4d.training.evaluation.scoring import Score

__all__ = ["REPORT_FILES", "table_lines", "write_report"]

REPORT_FILES = ("scores.csv", "scores.json", "curves.png")
_COLUMNS = (*(f"{metric}/{region}" for metric in METRICS for region in REGIONS), "lpips/all")
_DIGITS = {"psnr": 2, "ssim": 4, "flicker": 2, "lpips": 4}


def table_lines(scores: Sequence[Score], distances: Mapping[str, float | None]) -> list[str]:
    """A line for each result, their mean, and what was measured of all together."""
    columns = _columns(scores)
    rows = [["", *columns]]
    rows += [[name, *(_text(c, row[c]) for c in columns)] for name, row in _rows(scores).items()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    for name, value in distances.items():
        lines.append(f"{name}  {'needs at least two clips' if value is None else f'{value:.2f}'}")
    return lines


def write_report(
    folder: Path, scores: Sequence[Score], distances: Mapping[str, float | None]
) -> None:
    """Write `scores.csv` (means), `scores.json` (all frames) and `curves.png`. Raises
    OutputError."""
    columns, text = _columns(scores), io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["result", *columns])
    for name, row in _rows(scores).items():
        writer.writerow([name, *("" if row[c] is None else row[c] for c in columns)])
    with atomic_path(folder / "scores.csv") as temporary:
        temporary.write_text(text.getvalue(), "utf-8", "surrogateescape")
    frames = {
        score.name: {name: [_number(v) for v in curve] for name, curve in score.curves.items()}
        for score in scores
    }
    content = {"means": _rows(scores), "together": dict(distances), "frames": frames}
    with atomic_path(folder / "scores.json") as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", "ascii")
    write_png(folder / "curves.png", draw_curves(mean_curves([score.curves for score in scores])))


def _columns(scores: Sequence[Score]) -> list[str]:
    return [name for name in _COLUMNS if any(name in score.curves for score in scores)]


def _rows(scores: Sequence[Score]) -> dict[str, dict[str, float | None]]:
    """The means of each result, and of all; a result counts as one, however long it is."""
    columns = _columns(scores)
    rows = {}
    for score in scores:
        means = score.means()
        rows[score.name] = {name: means.get(name) for name in columns}
    if len(scores) > 1:
        known = {
            name: np.array([row[name] for row in rows.values()], np.float64) for name in columns
        }
        rows["mean"] = {name: mean_of(values) for name, values in known.items()}
    return rows


def _text(column: str, value: float | None) -> str:
    return "-" if value is None else f"{value:.{_DIGITS[column.partition('/')[0]]}f}"


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
