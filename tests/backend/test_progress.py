"""Progress made rare, messages taken apart, errors given their codes."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack

from backend.worker.failures import code_of, text_of
from backend.worker.messages import Cancelled, Failed, Frames, Progressed, Report, encode
from backend.worker.progress import Coalescer
from ex4d.errors import OutputError, VideoError


def report(stage, done, total=100):
    return Progressed("job", stage, done, total)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 99), st.floats(0, 0.3)), min_size=1)
)
def test_j14_what_passes_is_rare_in_order_and_lacks_no_stage_and_no_last_value(offers):
    coalescer, now_s, passed = Coalescer(), 0.0, []
    for stage, done, pause_s in offers:
        now_s += pause_s
        passed += [(now_s, p) for p in coalescer.due(now_s)]
        passed += [(now_s, p) for p in coalescer.offer(report(stage, done), now_s)]
    passed += [(now_s, p) for p in coalescer.flush()]
    assert passed[-1][1] == report(*offers[-1][:2])
    for stage, n_changes in changes([s for s, _, _ in offers]).items():
        assert changes([p.stage for _, p in passed])[stage] == n_changes
    n_stages = sum(changes([s for s, _, _ in offers]).values())
    assert len(passed) <= now_s / 0.1 + 2 * n_stages + 1
    assert coalescer.flush() == []


def changes(stages):
    """How often each stage begins."""
    counts = dict.fromkeys(stages, 0)
    for before, stage in zip([None, *stages], stages, strict=False):
        counts[stage] += before != stage
    return counts


def test_j14_what_is_held_back_comes_when_its_time_has_come():
    coalescer = Coalescer()
    assert coalescer.offer(report("a", 1), 0.0) == [report("a", 1)]
    assert coalescer.offer(report("a", 2), 0.01) == []
    assert coalescer.deadline_s() == pytest.approx(0.1)
    assert coalescer.due(0.09) == []
    assert coalescer.due(0.1) == [report("a", 2)]
    assert coalescer.deadline_s() is None


@given(st.lists(st.integers(1, 40), max_size=30))
def test_messages_come_whole_however_the_pipe_cuts_them(cuts):
    reports = [report("a", 1), Failed("job", "code", "text" * 20), Cancelled("job")]
    data = b"".join(encode(r) for r in reports)
    frames, bodies = Frames(), []
    for cut in [*cuts, len(data)]:
        bodies += frames.feed(data[:cut])
        data = data[cut:]
    assert [msgpack.decode(body, type=Report) for body in bodies] == reports


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


def disk_error():
    error = OutputError("color.mp4 cannot be written: the disk is full")
    error.__cause__ = OSError(errno.ENOSPC, "full")
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), "out_of_memory"),
        (OutOfMemoryError("Tried to allocate 20 GiB"), "out_of_memory"),
        (RuntimeError("CUDA error: out of memory"), "out_of_memory"),
        (RuntimeError("CUDA error: device-side assert triggered"), "device_error"),
        (VideoError("clip.mp4 is empty"), "invalid_video"),
        (disk_error(), "disk_full"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (OutputError("no"), "output_failed"),
        (KeyError("x"), "internal_error"),
    ],
)
def test_every_exception_has_a_code_and_a_text_that_fits(error, code):
    assert code_of(error) == code
    assert 0 < len(text_of(error).encode()) <= 10_000
