"""HDR pictures made ready for a usual screen.

A PQ picture's code values are turned to light by SMPTE ST 2084, an HLG picture's by ITU-R BT.2100
for a screen of 1000 cd/m2. The brightest channel of a pixel is brought below white by the EETF of
ITU-R BT.2390 (5.4.1: a Hermite spline in PQ's own scale), and the others follow it, so that hues
stay. White is the 203 cd/m2 of ITU-R BT.2408; up to 95 cd/m2 nothing changes. Colours go from
BT.2020 to BT.709 by ITU-R BT.2087, those outside are cut off, and the sRGB curve shows the rest.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from ex4d.video.coding import Transfer

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PEAK", "WHITE", "tone_mapped"]

WHITE, PEAK = 203.0, 1000.0  # cd/m2: what becomes white, and the brightest light that is told apart
_MOST = 65535
# PQ
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
# HLG
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073
_GAMMA = 1.2  # of the whole system at 1000 cd/m2
_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)  # of BT.2020
_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)


def tone_mapped(
    picture: NDArray[np.uint16],  # [H, W, 3], code values of BT.2020, full range
    transfer: Transfer,
) -> NDArray[np.uint8]:  # [H, W, 3], sRGB
    """Show an HDR picture within a usual screen's range. See the head of this module."""
    light = _light_table(transfer)[picture]
    if transfer is Transfer.HLG:  # the screen's part: light of the scene to light of the screen
        luma = cv2.transform(light, _LUMA[None])[..., None]
        light *= PEAK * np.maximum(luma, np.float32(1e-9)) ** np.float32(_GAMMA - 1)
    brightest = light.max(axis=-1, keepdims=True)
    levels = np.rint(np.sqrt(brightest * (1 / PEAK)).clip(0, 1) * _MOST).astype(np.uint16)
    light *= _gain_table()[levels]  # now 1 is white
    if brightest.max() > PEAK:  # it all is white, in its own hue
        light *= PEAK / np.maximum(brightest, np.float32(PEAK))
    screen = cv2.transform(light, _TO_BT709).clip(0, 1)
    shown: NDArray[np.uint8] = _shown_table()[np.rint(screen * _MOST).astype(np.uint16)]
    return shown


@cache
def _light_table(transfer: Transfer) -> NDArray[np.float32]:
    """Light for each code value: cd/m2 of the screen for PQ, 0..1 of the scene for HLG."""
    code = np.arange(_MOST + 1) / _MOST
    if transfer is Transfer.PQ:
        return np.asarray(_pq_light(code), np.float32)
    light = np.where(code <= 0.5, code**2 / 3, (np.exp((code - _C) / _A) + _B) / 12)
    return np.asarray(light, np.float32)


@cache
def _gain_table() -> NDArray[np.float32]:
    """What a pixel is multiplied with, by the square root of its brightest channel over PEAK."""
    light = (np.arange(_MOST + 1) / _MOST) ** 2 * PEAK
    mapped = _pq_light(_eetf(_pq_code(light)))
    gain = np.divide(mapped, light, out=np.ones_like(light), where=light > 0)
    return np.asarray(gain / WHITE, np.float32)


def _eetf(code: NDArray[Any]) -> NDArray[Any]:
    """BT.2390's curve on PQ values, from black to PEAK, to black to WHITE."""
    peak = float(_pq_code(np.array(PEAK)))
    most = float(_pq_code(np.array(WHITE))) / peak
    knee = 1.5 * most - 0.5
    e = np.minimum(code / peak, 1)
    t = (e - knee) / (1 - knee)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (-2 * t**3 + 3 * t**2) * most
    )
    return np.where(e < knee, e, spline) * peak


def _pq_light(code: NDArray[Any]) -> NDArray[Any]:
    power = code ** (1 / _M2)
    return 10000 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)


def _pq_code(light: NDArray[Any]) -> NDArray[Any]:
    power = (light / 10000) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


@cache
def _shown_table() -> NDArray[np.uint8]:
    light = np.arange(_MOST + 1) / _MOST
    shown = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * shown), np.uint8)
