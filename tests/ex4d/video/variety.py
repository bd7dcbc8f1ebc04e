"""Some hundred kinds of tiny video file, with what a reader must make of each."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from .edges import colors, edge, rgb_of, to_frame, yuv

__all__ = ["KINDS", "N_FRAMES", "Kind", "expected_of", "frames_of", "tags_of"]

N_FRAMES = 7
_PATCHES = np.array([[180.0, 90, 40], [30, 160, 200]])
_RATES = (Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(60), Fraction(25, 2))
_BROADCAST = (Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(60))
_TAGS = {  # matrix, primaries, transfer curve
    "bt709": (1, 1, 1),
    "fcc": (4, 4, 4),
    "bt601": (6, 6, 6),
    "smpte240m": (7, 7, 7),
    "bt2020": (9, 9, 14),
}
_SIZES = ((64, 48), (96, 48), (66, 50), (64, 34))
_SITES = ("left", "center", "topleft", "top")
_TURNS = (0, 1, 2, 3)  # quarters, clockwise


@dataclass(frozen=True)
class Codec:
    """What one codec in one container can say, and how exactly it keeps pictures."""

    container: str
    name: str
    pixel_formats: tuple[str, ...]
    options: dict[str, str] = field(default_factory=dict)
    says: str = ""  # of: matrix, range, site, turn, aspect
    rates: tuple[Fraction, ...] = _RATES
    sizes: tuple[tuple[int, int], ...] = _SIZES
    most: float = 1  # levels that a flat colour may be off
    most_px: float = 0.05  # that an edge may be off
    site: str = "left"  # of chroma, when nothing is said
    is_full: bool = False  # when nothing is said


@dataclass(frozen=True)
class Kind:
    """One file."""

    codec: Codec
    pixel_format: str
    size: tuple[int, int]
    rate: Fraction
    matrix: str | None  # None: not tagged
    is_full: bool | None
    site: str | None
    turn: int
    aspect: Fraction

    def __str__(self) -> str:
        tags = [self.matrix, {True: "full", False: "limited", None: None}[self.is_full], self.site]
        parts = [self.codec.container, self.codec.name, self.pixel_format]
        parts.append("x".join(map(str, self.size)))
        parts += [str(float(self.rate))[:6], *(tag or "untagged" for tag in tags)]
        return "-".join([*parts, f"turn{self.turn}", f"aspect{float(self.aspect):.2f}"])

    @property
    def coding(self) -> dict[str, object]:
        """Of the pictures, when untagged ones are taken as players take them."""
        is_full = self.codec.is_full if self.is_full is None else self.is_full
        return {"matrix": self.matrix or "bt601", "is_full": is_full}

    @property
    def siting(self) -> str:
        """Where chroma lies."""
        if self.site is None and self.is_full and self.codec.name in ("ffv1", "libvpx-vp9"):
            return "center"  # mpv's rule
        return self.site or self.codec.site


_LOSSY = {"qmin": "1", "qmax": "1"}
_LOSSY_LIMITS = {"most": 4, "most_px": 0.12}
_YUV = ("yuv420p", "yuv422p", "yuv444p")
_DEEP = ("yuv420p10le", "yuv422p10le", "yuv444p10le")
_X265 = {"x265-params": "lossless=1:log-level=none"}
_MANY = "matrix range site aspect"
CODECS = (
    *(
        Codec(container, "libx264", (*_YUV, *_DEEP), {"qp": "0"}, says)
        for container, says in (
            *((name, f"{_MANY} turn") for name in ("mp4", "mov")),
            *((name, _MANY) for name in ("mkv", "ts", "m2ts", "avi")),
            ("flv", "matrix range site"),
        )
    ),
    *(
        Codec(container, "libx265", (*_YUV, *_DEEP), _X265, says)
        for container, says in (("mp4", "matrix range turn aspect"), ("mkv", "matrix range aspect"))
    ),
    Codec("mkv", "ffv1", (*_YUV, *_DEEP), {}, "matrix range", sizes=((65, 49), (63, 48), (64, 49))),
    Codec("nut", "ffv1", _YUV),
    Codec("avi", "ffv1", _YUV, {}),
    Codec("avi", "utvideo", _YUV),
    Codec("avi", "huffyuv", ("yuv422p",)),
    Codec("nut", "utvideo", _YUV),
    Codec("avi", "ffvhuff", _YUV),
    Codec("mov", "v210", ("yuv422p10le",), {}, "matrix turn aspect", sizes=((96, 48), (192, 34))),
    Codec("y4m", "wrapped_avframe", ("yuv422p", "yuv444p")),
    Codec("webm", "libvpx-vp9", ("yuv420p", "yuv444p"), {"lossless": "1"}, "matrix range"),
    Codec("mp4", "libvpx-vp9", ("yuv420p",), {"lossless": "1"}, "matrix range turn aspect"),
    Codec("webm", "libvpx", ("yuv420p",), {"qmin": "0", "qmax": "4", "b": "4M"}, **_LOSSY_LIMITS),
    Codec("mov", "prores_ks", ("yuv422p10le",), {"profile": "3"}, "matrix turn", **_LOSSY_LIMITS),
    Codec("mp4", "mpeg4", ("yuv420p",), _LOSSY, "turn aspect", **_LOSSY_LIMITS),
    Codec("avi", "mpeg4", ("yuv420p",), _LOSSY, "aspect", **_LOSSY_LIMITS),
    *(
        Codec(container, codec, ("yuv420p",), _LOSSY, says, _BROADCAST, site=site, **_LOSSY_LIMITS)
        for container, codec, says, site in (
            ("mpg", "mpeg2video", "matrix", "left"),
            ("vob", "mpeg2video", "matrix", "left"),
            ("ts", "mpeg2video", "matrix", "left"),
            ("mxf", "mpeg2video", "matrix", "left"),
            ("mpg", "mpeg1video", "", "center"),
        )
    ),
    *(
        Codec(container, "mjpeg", ("yuvj420p", "yuvj422p", "yuvj444p"), _LOSSY, says,
              site="center", is_full=True, **_LOSSY_LIMITS)
        for container, says in (("avi", ""), ("mov", "turn"), ("mkv", ""))
    ),
    Codec("y4m", "wrapped_avframe", ("yuv420p",), site="center"),  # its header: C420jpeg
)  # fmt: skip
_FILES = 11  # for each


def _kinds() -> list[Kind]:
    """Chosen at random, always the same: whatever a codec can say comes in many mixtures."""
    rng = random.Random(0)  # noqa: S311
    kinds = []
    for codec in CODECS:
        for number in range(_FILES):
            says = codec.says.split()
            pixel_format = codec.pixel_formats[number % len(codec.pixel_formats)]
            kind = Kind(
                codec=codec,
                pixel_format=pixel_format,
                size=rng.choice(codec.sizes),
                rate=rng.choice(codec.rates),
                matrix=rng.choice([None, *_TAGS]) if "matrix" in says else None,
                is_full=rng.choice([None, False, True]) if "range" in says else None,
                site=rng.choice([None, *_SITES]) if "site" in says else None,
                turn=rng.choice(_TURNS) if "turn" in says else 0,
                aspect=Fraction(1),
            )
            if "aspect" in says:
                kind = replace(kind, aspect=rng.choice([Fraction(1), Fraction(4, 3), Fraction(2)]))
            if "420" not in pixel_format:
                kind = replace(kind, site=None)
            if codec.name not in ("libx264", "libx265") and kind.matrix in ("fcc", "smpte240m"):
                kind = replace(kind, matrix="bt709")  # not all others have a number for them
            kinds.append(kind)
    return kinds


KINDS = _kinds()


def tags_of(kind: Kind) -> dict[str, int]:
    """The stream's properties for a file's tags."""
    tags = {}
    if kind.matrix is not None:
        names = ("colorspace", "color_primaries", "color_trc")
        tags |= dict(zip(names, _TAGS[kind.matrix], strict=True))
    if kind.is_full is not None:
        tags["color_range"] = 2 if kind.is_full else 1
    return tags


def picture_of(kind: Kind, number: int) -> np.ndarray:
    """An edge above, two patches and a grey that tells the frame's number below."""
    width, height = kind.size
    picture = np.zeros((height, width, 3))
    picture[:] = colors(edge(width * 0.45, np.arange(width) + 0.5))
    below = picture[height // 2 :]
    below[:, : width // 4], below[:, width // 4 : width // 2] = _PATCHES
    below[:, width // 2 :] = 60 + 12 * number
    return picture


def frames_of(kind: Kind) -> list:
    """The frames to be encoded."""
    return [
        to_frame(picture_of(kind, number), kind.pixel_format, kind.siting, **kind.coding)
        for number in range(N_FRAMES)
    ]


def expected_of(kind: Kind, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Colours [3, 3] of the patches and the grey, and x of the places to look at them."""
    bits = 10 if "10" in kind.pixel_format else 8
    rgb = np.vstack([_PATCHES, np.full((1, 3), 60.0 + 12 * number)])
    codes = np.rint(yuv(rgb, bits=bits, **kind.coding))
    places = np.array([1, 3, 6]) * kind.size[0] / 8
    return rgb_of(codes, bits=bits, **kind.coding), places
