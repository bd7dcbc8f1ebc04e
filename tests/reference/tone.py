"""An obviously right HDR to sRGB: one pixel at a time, as the recommendations write it."""

from __future__ import annotations

import math

import numpy as np

PEAK, WHITE = 1000.0, 203.0  # cd/m2


def pq_to_light(code: float) -> float:
    """SMPTE ST 2084, equation 4.1: cd/m2."""
    m1, m2 = 0.1593017578125, 78.84375
    c1, c2, c3 = 0.8359375, 18.8515625, 18.6875
    power = code ** (1 / m2)
    return 10000 * (max(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)


def light_to_pq(light: float) -> float:
    """SMPTE ST 2084, equation 5.2."""
    m1, m2 = 0.1593017578125, 78.84375
    c1, c2, c3 = 0.8359375, 18.8515625, 18.6875
    power = (light / 10000) ** m1
    return ((c1 + c2 * power) / (1 + c3 * power)) ** m2


def hlg_to_light(codes: list[float]) -> list[float]:
    """BT.2100, table 5: the inverse OETF and the OOTF of a screen of 1000 cd/m2."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * math.log(4 * a)
    scene = [x * x / 3 if x <= 0.5 else (math.exp((x - c) / a) + b) / 12 for x in codes]
    luma = 0.2627 * scene[0] + 0.6780 * scene[1] + 0.0593 * scene[2]
    return [PEAK * luma**0.2 * x if luma > 0 else 0.0 for x in scene]


def eetf(light: float) -> float:
    """BT.2390, 5.4.1, from 0..PEAK to 0..WHITE."""
    most = light_to_pq(WHITE) / light_to_pq(PEAK)
    knee = 1.5 * most - 0.5
    e = min(light_to_pq(light) / light_to_pq(PEAK), 1)
    if e >= knee:
        t = (e - knee) / (1 - knee)
        e = (
            (2 * t**3 - 3 * t**2 + 1) * knee
            + (t**3 - 2 * t**2 + t) * (1 - knee)
            + (-2 * t**3 + 3 * t**2) * most
        )
    return pq_to_light(e * light_to_pq(PEAK))


def srgb(light: float) -> float:
    """IEC 61966-2-1: 0..255."""
    light = min(max(light, 0), 1)
    return 255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)


def tone_mapped(picture: np.ndarray, transfer: str) -> np.ndarray:
    """sRGB [H, W, 3], not rounded, of 16-bit code values; `transfer` is PQ or HLG."""
    to_bt2020 = [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
    to_bt709 = np.linalg.inv(to_bt2020)  # of BT.2087
    shown = np.zeros(picture.shape)
    for place in np.ndindex(picture.shape[:2]):
        codes = [value / 65535 for value in picture[place].tolist()]
        light = [pq_to_light(x) for x in codes] if transfer == "PQ" else hlg_to_light(codes)
        brightest = max(light)
        gain = eetf(brightest) / brightest if brightest > 0 else 0.0
        screen = to_bt709 @ np.array([gain * x / WHITE for x in light])
        shown[place] = [srgb(float(x)) for x in screen]
    return shown
