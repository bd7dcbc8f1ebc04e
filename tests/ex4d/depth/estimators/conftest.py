"""Tiny estimators on disk."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ex4d.torch_threads import one_thread  # noqa: F401  (a fixture)

from . import tiny


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """The folder of all models; nobody changes anything in it."""
    return tiny.write_models(tmp_path_factory.mktemp("estimators"))


def frames(n_frames=3, size=(96, 64), seed=0):
    """Pictures with something to see."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (n_frames, size[1] // 8 + 1, size[0] // 8 + 1, 3))
    fine = np.repeat(np.repeat(coarse, 8, axis=1), 8, axis=2)
    return fine[:, : size[1], : size[0]].astype(np.uint8)
