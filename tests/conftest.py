"""What all tests share."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

# No deadline: the machine is shared. The same examples every time: a red test stays red.
settings.register_profile("ex4d", deadline=None, derandomize=True, database=None)
settings.load_profile("ex4d")

ROOT = Path(__file__).parent
# They start servers and workers, load torch, or train: `make check` leaves them out.
SLOW = (
    "backend",
    "ex4d/cli",
    "ex4d/depth/estimators",
    "ex4d/depth/test_cleaning.py",
    "ex4d/depth/test_steady.py",
    "ex4d/engines/wan",
    "ex4d/files/test_output_folders.py",
    "ex4d/raster/test_cpu_rasterizer.py",
    "ex4d/test_real_clips.py",
    "ex4d/test_sample_shot.py",
    "ex4d/training",
    "ex4d/verification",
    "ex4d/video/test_matrix.py",
    "faults",
    "protocol/test_background.py",
    "protocol/client/test_bulk.py",
    "protocol/client/test_connection.py",
    "trials",
)


@cache
def is_slow(path: Path) -> bool:
    return any(path.is_relative_to(ROOT / name) for name in SLOW)


def pytest_ignore_collect(collection_path, config):
    """What will not run is not imported: most of it imports torch."""
    wanted, path = config.option.markexpr, collection_path
    if "not slow" in wanted and is_slow(path):
        return True
    if wanted.startswith("alone") and path.suffix == ".py" and "mark.alone" not in path.read_text():
        return True
    return None  # whatever else decides


def pytest_collection_modifyitems(items):
    """Slow ones first: short ones fill what is left of the processes' time at the end."""
    for item in items:
        if is_slow(item.path):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: not is_slow(item.path))
