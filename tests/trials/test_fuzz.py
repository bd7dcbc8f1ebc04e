"""The full-speed attack, for a few seconds; `make fuzz` does it for minutes."""

from __future__ import annotations

import signal

import pytest

from tests.faults.rig import REAL_SERVER, Rig

from .fuzz import assault

BUSY_PING_MS = 250.0  # where tests run, others run too; `make fuzz` holds it to less


@pytest.mark.slow
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "curve"])
def test_m1_a_flood_of_mutated_messages_costs_an_honest_client_nothing(tmp_path, encrypted):
    rig = Rig(tmp_path, encrypted=encrypted)
    try:
        rig.start(command=REAL_SERVER)
        report = assault(rig, messages=90_000, connections=240, seconds=15, seed=1)
        print(*report.lines(), sep="\n")
        assert report.faults(ping_ms=BUSY_PING_MS) == []
        rig.check_invariants()
        assert rig.server.end(signal.SIGTERM) == 0
    finally:
        rig.close()
