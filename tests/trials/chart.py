"""A picture of a soak: what the server held over time, and what happened to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .slopes import MIB

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .slopes import Sample
    from .studio import Happening

__all__ = ["draw"]

SCALE = 2  # drawn larger and shrunk: smooth lines
WIDTH, PANEL, GAP, LEFT, RIGHT, TOP, BOTTOM = 1200, 124, 44, 64, 28, 122, 34
INK, PALE, GRID = (38, 42, 48), (120, 126, 134), (226, 229, 233)
PANELS = {
    "memory, MiB": (lambda one: one.memory_bytes / MIB, (31, 107, 179)),
    "descriptors": (lambda one: one.descriptors, (196, 96, 28)),
    "threads": (lambda one: one.threads, (126, 84, 168)),
    "disk, MiB": (lambda one: one.disk_bytes / MIB, (34, 128, 92)),
    "jobs done": (lambda one: one.jobs_done, (60, 66, 74)),
}
MARKS = {
    "kill_server": ("server killed", (196, 40, 46)),
    "stop_server": ("server stopped", (232, 140, 30)),
    "kill_worker": ("worker killed", (150, 110, 200)),
    "kill_client": ("client killed", (110, 160, 210)),
    "fill_disk": ("disk full", (34, 150, 100)),
    "revoke_key": ("key revoked", (190, 150, 60)),
}
TALL = {"kill_server", "stop_server"}  # through all panels; the others are ticks below each


def draw(samples: Sequence[Sample], happenings: Sequence[Happening], path: Path) -> None:
    """Write the chart as a PNG."""
    height = TOP + len(PANELS) * (PANEL + GAP) + BOTTOM
    image = Image.new("RGB", (WIDTH * SCALE, height * SCALE), "white")
    pen = _Pen(ImageDraw.Draw(image), samples[-1].time_s)
    minutes = samples[-1].time_s / 60
    pen.text(LEFT, 14, f"ex4d serve under mischief for {minutes:.0f} min", INK, size=22)
    _legend(pen)
    for number, (name, (value, colour)) in enumerate(PANELS.items()):
        top = TOP + number * (PANEL + GAP)
        _marks(pen, happenings, top)
        _panel(pen, samples, name, value, colour, top)
    _time_axis(pen, height - BOTTOM - GAP + 14, minutes)
    image = image.resize((WIDTH, height), Image.Resampling.LANCZOS)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, optimize=True)


class _Pen:
    """Draws in units of the finished picture."""

    def __init__(self, canvas: ImageDraw.ImageDraw, seconds: float) -> None:
        self._canvas, self._seconds = canvas, seconds

    def x(self, time_s: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * time_s / self._seconds

    def line(self, points, colour, width: float = 1.0) -> None:
        scaled = [(SCALE * x, SCALE * y) for x, y in points]
        self._canvas.line(scaled, fill=colour, width=round(SCALE * width), joint="curve")

    def box(self, left, top, right, bottom, colour) -> None:
        self._canvas.rectangle([SCALE * v for v in (left, top, right, bottom)], fill=colour)

    def width(self, text: str) -> float:
        return ImageFont.load_default(13 * SCALE).getlength(text) / SCALE

    def text(self, x, y, text, colour, *, size: int = 13, anchor: str = "la") -> None:
        font = ImageFont.load_default(size * SCALE)
        self._canvas.text((SCALE * x, SCALE * y), text, fill=colour, font=font, anchor=anchor)


def _pale(colour: tuple[int, int, int]) -> tuple[int, ...]:
    return tuple((part + 2 * 255) // 3 for part in colour)


def _legend(pen: _Pen) -> None:
    x = LEFT
    for text, colour in MARKS.values():
        pen.box(x, 56, x + 12, 68, colour)
        pen.text(x + 18, 62, text, INK, anchor="lm")
        x += 48 + pen.width(text)


def _marks(pen: _Pen, happenings: Sequence[Happening], top: float) -> None:
    for one in happenings:
        _, colour = MARKS[one.name]
        left, right = pen.x(one.began_s), max(pen.x(one.ended_s), pen.x(one.began_s) + 1.2)
        if one.name in TALL:
            pen.box(left, top, right, top + PANEL, _pale(colour))
        else:
            pen.box(left, top + PANEL + 3, right, top + PANEL + 9, colour)


def _panel(pen: _Pen, samples: Sequence[Sample], name: str, value, colour, top: float) -> None:
    values = np.array([value(one) for one in samples], float)
    low, high = 0.0, max(1.0, float(values.max()) * 1.12)
    step = _step(high)
    for tick in np.arange(0, high, step):
        y = top + PANEL * (1 - (tick - low) / (high - low))
        pen.line([(LEFT, y), (WIDTH - RIGHT, y)], GRID)
        pen.text(LEFT - 8, y, f"{tick:g}", PALE, size=12, anchor="rm")
    pen.text(LEFT, top - 8, name, colour, size=14, anchor="lb")
    lifetimes = np.array([one.lifetime for one in samples])
    joined = name == "jobs done"
    for lifetime in np.unique(lifetimes) if not joined else [None]:
        chosen = [n for n in range(len(samples)) if joined or lifetimes[n] == lifetime]
        points = [
            (pen.x(samples[n].time_s), top + PANEL * (1 - (values[n] - low) / (high - low)))
            for n in chosen
        ]
        if len(points) > 1:
            pen.line(points, colour, 1.6)


def _time_axis(pen: _Pen, y: float, minutes: float) -> None:
    step = _step(minutes)
    for tick in np.arange(0, minutes + 1e-9, step):
        pen.text(pen.x(60 * tick), y, f"{tick:g}", PALE, size=12, anchor="ma")
    pen.text(WIDTH - RIGHT, y + 18, "minutes", PALE, size=12, anchor="ra")


def _step(span: float) -> float:
    """A round distance of about five ticks."""
    rough = span / 5
    power = 10.0 ** np.floor(np.log10(rough))
    return float(next(power * nice for nice in (1, 2, 2.5, 5, 10) if power * nice >= rough))
