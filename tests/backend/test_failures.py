"""The codes that a job's failure can have."""

from __future__ import annotations

import errno

import pytest

from backend.failures import FAILURES, code_of
from ex4d.errors import Ex4dError


def errors_of_the_library(base: type[Ex4dError] = Ex4dError) -> list[type[Ex4dError]]:
    return [
        base,
        *(error for child in base.__subclasses__() for error in errors_of_the_library(child)),
    ]


def test_every_error_of_the_library_is_a_failure_that_clients_know():
    here = [error for error in errors_of_the_library() if error.__module__.startswith("ex4d.")]
    assert len(here) >= 8
    assert {code_of(error("no")) for error in here} <= set(FAILURES)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), "out_of_memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), "out_of_memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "out_of_memory"),
        (RuntimeError("OpenCV(5.0.0) error: (-4:Insufficient memory)"), "out_of_memory"),
        (RuntimeError("std::bad_alloc"), "out_of_memory"),
        (RuntimeError("can't start new thread"), "out_of_memory"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "device_error"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (ValueError("no"), "internal_error"),
    ],
)
def test_an_exception_becomes_a_failure_that_clients_know(error, code):
    assert code_of(error) == code
    assert code in FAILURES
