"""Pieces of an HTML page that needs no other file."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["image", "page", "section", "table"]

_JPEG_QUALITY = 90
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1500px; margin: 2em auto; padding: 0 1em;
       color: #222; background: #fff }
table { border-collapse: collapse; margin: .6em 0 1.4em }
th, td { text-align: left; padding: .25em 1.2em .25em 0; border-bottom: 1px solid #ddd;
         vertical-align: top }
.number { text-align: right; font-variant-numeric: tabular-nums }
img { max-width: 100%; height: auto }
.ok { color: #17692e } .no { color: #b00020; font-weight: 600 } .look { color: #8a5a00 }
pre { white-space: pre-wrap; font-size: 12px }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """The whole page; the parts are HTML already, the title is not."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>\n"
        f"<h1>{escape(title)}</h1>\n{''.join(parts)}</body></html>\n"
    )


def section(title: str, content: str) -> str:
    """A heading, and HTML below it."""
    return f"<h2>{escape(title)}</h2>\n{content}\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of plain texts; columns of numbers stand to the right."""
    body = [tuple(row) for row in rows]
    kinds = [
        ' class="number"' if body and all(_is_number(row[place]) for row in body) else ""
        for place in range(len(columns))
    ]
    lines = [_row("th", columns, kinds), *(_row("td", row, kinds) for row in body)]
    return f"<table>\n{''.join(lines)}</table>"


def image(picture: np.ndarray, alt: str) -> str:
    """A picture uint8 [H, W, 3], embedded as JPEG."""
    quality = (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY)
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(picture[..., ::-1]), quality)
    text = base64.b64encode(data.tobytes()).decode("ascii")
    return f'<img alt="{escape(alt)}" src="data:image/jpeg;base64,{text}">'


def _row(tag: str, cells: Sequence[str], kinds: Sequence[str]) -> str:
    pairs = zip(cells, kinds, strict=True)
    return f"<tr>{''.join(f'<{tag}{kind}>{escape(cell)}</{tag}>' for cell, kind in pairs)}</tr>\n"


def _is_number(cell: str) -> bool:
    try:
        float(cell.partition(" ")[0])
    except ValueError:
        return cell == "-"
    return True
