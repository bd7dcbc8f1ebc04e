"""The full-speed attack, for a few seconds; `make fuzz` does it for minutes."""

from __future__ import annotations

import signal

import pytest

from tests.faults.rig import REAL_SERVER, Rig

from .fuzz import assault

ANY_MS = float("inf")  # where tests run, others run too: `make fuzz` holds pings to a limit


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "curve"])
def test_m1_a_flood_of_mutated_messages_costs_an_honest_client_nothing(tmp_path, encrypted):
    rig = Rig(tmp_path, encrypted=encrypted)
    try:
        rig.start(command=REAL_SERVER)
        report = assault(rig, messages=90_000, connections=240, seconds=15, seed=1)
        print(*report.lines(), sep="\n")
        assert report.faults(ping_ms=ANY_MS) == []
        rig.check_invariants()
        assert rig.server.end(signal.SIGTERM) == 0
    finally:
        rig.close()
