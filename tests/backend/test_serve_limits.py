"""The limits that `ex4d serve` is given are those that it tells and keeps."""

from __future__ import annotations

import argparse

import pytest

from backend.cli import serve
from backend.settings import ServiceSettings

GIVEN = {
    "store_gib": "10",
    "kept_hours": "48",
    "kept_jobs": "7",
    "queued_jobs": "5000",
    "open_uploads": "3",
    "connections": "4",
    "job_pixels": "1000000",
    "worker_gib": "8",
}


def settings_of(**flags: str) -> ServiceSettings:
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    given = [part for name, value in flags.items() for part in (f"--{name}", value)]
    return serve._limits(parser.parse_args(given))


def test_h18_welcome_tells_what_the_flags_say():
    settings = settings_of(**GIVEN)
    limits = settings.limits()
    assert settings.kept_jobs == 7
    assert settings.queue_limit >= settings.queued_jobs
    assert (limits.queued_jobs, limits.open_uploads, limits.connections) == (5000, 3, 4)
    assert (limits.job_pixels, limits.kept_s) == (1_000_000, 48 * 3600)
    assert limits.blob_bytes == 5 << 30  # of an empty store one client may have half at once


def test_h18_without_flags_they_are_the_usual_ones():
    assert settings_of() == ServiceSettings()


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.parametrize("value", ["0", "-1", "many", "nan", "1e40"])
def test_a_wrong_limit_is_refused_in_words(name, value, capsys):
    with pytest.raises(SystemExit):
        settings_of(**{name: value})
    assert f"{value!r} is not a" in capsys.readouterr().err


def test_a_wrong_setting_is_refused():
    with pytest.raises(ValueError, match="queued_jobs must be more than 0, not 0"):
        ServiceSettings(queued_jobs=0)
