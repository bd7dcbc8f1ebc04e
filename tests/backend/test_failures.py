"""The codes that a job's failure can have."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from backend.text import hide_folder, without_folders
from backend.worker.failures import FAILURES, code_of, text_of
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
        ("no such folder: /data", "no such folder: data"),
        ("no such folder: '/srv/EX 4D data'", "no such folder: 'EX 4D data'"),
        ("error:/srv/a/b and file:///srv/a/c", "error:b and c"),
        (r"cannot open C:\Users\Jane Doe\x.exr: no", "cannot open x.exr: no"),
        (r"[Errno 2] No: 'C:\\Users\\Jane Doe\\x.exr'", "[Errno 2] No: 'x.exr'"),
        (r"\\server\share\x.exr and D:/jobs/y.exr", "x.exr and y.exr"),
        ("8 MB/s, 3 / 4, a:b, 'it' and ./a/b and ~/.cache/x", None),
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


@pytest.mark.parametrize("rest", ["/blobs/ab/cd", "/scratch/job 1/cd", "/cd"])
def test_h16_a_known_folder_with_spaces_is_not_named(tmp_path, rest):
    folder = tmp_path / "EX 4D data"
    hide_folder(folder)
    found = without_folders(f"cannot open {folder}{rest}: no; nor {folder}, nor {folder}/")
    assert "EX 4D" not in found
    assert str(tmp_path) not in found
    assert found.endswith("cd: no; nor [folder], nor [folder]")


def test_h16_neither_are_the_home_and_the_folder_of_models(monkeypatch):
    monkeypatch.setenv("EX4D_MODELS", "/big disk/models")
    monkeypatch.setenv("HOME", "/home/jane doe")
    found = without_folders("no wan in /big disk/models; put it to /home/jane doe/wan/x.ckpt")
    assert found == "no wan in [folder]; put it to x.ckpt"


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
