"""A fixture for folders whose tests run tiny models: import it into their conftest."""

from __future__ import annotations

import pytest
import torch

__all__ = ["one_thread"]


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """The models are tiny: more threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
