"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# No deadline: the machine is shared. The same examples every time: a red test stays red.
settings.register_profile("ex4d", deadline=None, derandomize=True, database=None)
settings.load_profile("ex4d")
