"""When the window grows."""

from __future__ import annotations

from protocol.limits import WINDOW_BYTES_FIRST, WINDOW_BYTES_MOST
from protocol.testing import FakeClock
from protocol.transfer import Window

MIB = 1 << 20


def run(bandwidth: float, rtt_s: float, n_windows: int = 10) -> Window:
    """A link that brings a window each round trip, or as much as its bandwidth allows."""
    clock = FakeClock()
    window = Window(clock)
    for _ in range(n_windows):
        size = window.size
        clock.advance(max(rtt_s, size / bandwidth))
        for _ in range(size // MIB):
            window.verified(MIB)
    return window


def test_a_long_fat_link_gets_a_wide_window():
    assert run(bandwidth=125e6, rtt_s=0.1).size >= 16 * MIB


def test_the_window_never_grows_beyond_its_limit():
    assert run(bandwidth=1e12, rtt_s=0.1).size == WINDOW_BYTES_MOST


def test_a_slow_link_keeps_a_small_window():
    assert run(bandwidth=12.5e6, rtt_s=0.02).size <= 2 * WINDOW_BYTES_FIRST


def test_a_server_with_a_small_limit_is_obeyed():
    assert Window(FakeClock(), most=MIB).size == MIB
