"""The size that a clip is worked on at."""

from __future__ import annotations

from ex4d.errors import UsageError

__all__ = ["working_size"]

_STEP = 16  # the video VAE and its patches divide sides by 16
_LONG_SIDE = 1024
_SMALLEST, _LARGEST = 16, 8192


def working_size(
    source: tuple[int, int],  # (W, H) as displayed
    *,
    width: int | None = None,
    height: int | None = None,
) -> tuple[int, int]:  # (W, H)
    """Choose the size for a clip of size `source`, in pixels as displayed.

    By default the aspect is kept as well as multiples of 16 allow, the long side is at most 1024
    and nothing is enlarged, except that a side is at least 16. With one side given, the other
    follows the aspect in a multiple of 16. Two given sides are taken as they are.

    Raises UsageError when a side is not within 16..8192.
    """
    for name, side in (("width", width), ("height", height)):
        if side is not None:
            _check_side(name, side, f"{name} is {side}")
    if width is not None and height is not None:
        return width, height
    if width is not None:
        follows = _nearest_step(width * source[1] / source[0])
        _check_side("height", follows, f"width {width} makes the height {follows}")
        return width, follows
    if height is not None:
        follows = _nearest_step(height * source[0] / source[1])
        _check_side("width", follows, f"height {height} makes the width {follows}")
        return follows, height
    return _largest_that_keeps_aspect(source)


def _largest_that_keeps_aspect(source: tuple[int, int]) -> tuple[int, int]:
    """Of the two largest long sides, take the pair of sides whose aspect is closest."""
    short, long = sorted(source)
    longest = _step_below(min(long, _LONG_SIDE))
    pairs = []
    for long_side in (longest, max(longest - _STEP, _STEP)):
        below = _step_below(long_side * short / long)
        above = below + _STEP
        pairs.append((long_side, below))
        if above <= min(short, long_side):
            pairs.append((long_side, above))

    def distortion(pair: tuple[int, int]) -> float:
        wider = pair[0] * short / (pair[1] * long)
        return max(wider, 1 / wider)

    best = min(pairs, key=distortion)  # the larger one when equal: it comes first
    return best if source[0] >= source[1] else (best[1], best[0])


def _step_below(side: float) -> int:
    return max(_STEP, int(side) // _STEP * _STEP)


def _nearest_step(side: float) -> int:
    return max(_STEP, int(side / _STEP + 0.5) * _STEP)


def _check_side(name: str, side: int, statement: str) -> None:
    if not _SMALLEST <= side <= _LARGEST:
        raise UsageError(f"{statement}; a {name} must be {_SMALLEST} to {_LARGEST} pixels")
