"""What the tests of training share."""

from __future__ import annotations

import pytest

from ex4d.training.videos import MasksJob

from .jobs import settings_of


@pytest.fixture
def job(tmp_path) -> MasksJob:
    return MasksJob(tmp_path / "videos", tmp_path / "dataset", None, settings_of())
