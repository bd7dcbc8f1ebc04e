from __future__ import annotations

import pytest

from .weights import write_weights


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """Random weights of all networks, by the flags of `ex4d evaluate`."""
    return write_weights(tmp_path_factory.mktemp("networks"))
