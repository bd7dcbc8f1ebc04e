"""Logs for people: one line for each event, and nobody can forge one."""

from __future__ import annotations

import io
import logging
import re

import pytest

from backend.log import JobLog, log_to
from backend.text import trimmed


@pytest.fixture
def written():
    """A function that returns the lines that were logged so far."""
    stream = io.StringIO()
    log = logging.getLogger("ex4d.server")
    before = log.level, log.propagate
    handler = log_to(stream)
    yield lambda: stream.getvalue().splitlines()
    log.removeHandler(handler)
    log.level, log.propagate = before


def test_a_line_has_time_level_job_and_what(written):
    JobLog().info("started", "0123456789abcdef", device="cpu", label="my shot")
    [line] = written()
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d INFO    job=0123456789ab started", line)
    assert line.endswith("started device=cpu label='my shot'")


def test_a_label_cannot_forge_a_line(written):
    JobLog().warning("queued", label="x\n2025-01-01 00:00:00 INFO job=1 done\x1b[2J")
    [line] = written()
    assert "\\n2025" in line
    assert "\x1b" not in line


def test_jobs_tell_their_way(written, make_service):
    harness = make_service()
    job_id = harness.submit(("exit", 3))
    harness.ended(job_id)
    told = "\n".join(line for line in written() if job_id[:12] in line)
    for words in (
        "queued kind=generate",
        "started device=cpu",
        "exit code 3",
        "failed code=worker_died",
    ):
        assert words in told


@pytest.mark.parametrize("text", ["", "short", "é" * 3000, "x" * 10_000])
def test_short_texts_stay(text):
    assert trimmed(text) == text


@pytest.mark.parametrize("text", ["é" * 10_000, "x" * (1 << 20) + "end", "\udce9" * 9_000])
def test_long_texts_keep_beginning_and_end(text):
    cut = trimmed(text)
    assert len(cut.encode()) <= 10_000
    assert "[...]" in cut
    assert cut.startswith(trimmed(text[:10]))
    assert cut.endswith(trimmed(text[-3:]))
