"""The codes that a job's failure can have."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from backend.failures import FAILURES, code_of, text_of
from backend.text import without_folders
from ex4d.errors import Ex4dError, OutputError


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[Errno 2] No such file: '/srv/ex4d data/blobs/ab/cd'", None),
        ("cannot open /var/lib/ex4d/models/wan.ckpt: no", "cannot open wan.ckpt: no"),
        ("see https://example.org/a/b and 24000/1001 and and/or", None),
        ('  File "/usr/lib/python3.11/json.py", line 3', '  File "json.py", line 3'),
        ("/data/a, /data/b", "a, b"),
    ],
)
def test_h16_a_text_for_a_client_names_no_folder_of_the_server(text, shown):
    found = without_folders(text)
    if shown is not None:
        assert found == shown
    elif "/srv" in text:
        assert "/srv" not in found
    else:
        assert found == text


def test_h16_neither_does_a_failure_of_a_job():
    try:
        Path("/srv/ex4d/scratch/job/input.mp4").read_bytes()
    except OSError as error:
        text = text_of(error)
    assert "FileNotFoundError" in text
    assert "input.mp4" in text
    assert "/srv" not in text
    assert __file__.rpartition("/")[0] not in text


def fail_as_the_library_does() -> None:
    try:
        raise OSError(errno.ENOSPC, "No space left on device")
    except OSError:
        raise OutputError("result.mp4 cannot be written: the disk is full") from None


def test_t9_a_full_disk_is_disk_full_however_the_library_says_it():
    with pytest.raises(OutputError) as failure:
        fail_as_the_library_does()
    assert code_of(failure.value) == "disk_full"
    assert text_of(failure.value) == "result.mp4 cannot be written: the disk is full"
    assert code_of(OutputError("another text")) == "output_failed"
