"""How much memory a worker's process may have.

The kernel's limit on a process's data is used, and not the one on its addresses, nor a watch on its
resident memory. Measured on an H100 with PyTorch 2.11 for CUDA 13: a context takes 14 GiB of
addresses but 57 MiB of data, and 2 GiB of pinned memory 0.1 GiB of data: a limit of 8 GiB of
addresses makes CUDA fail ("error 2: out of memory") where one of 8 GiB of data does no harm and
stops an array of 200 GiB with an exception. Without a limit the kernel kills the process, at worst
another one; a watch comes too late for an array that is filled in a second.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["allowed_bytes", "limit_memory", "usual_bytes"]

_SHARE = 0.75  # of the machine's memory: the rest is for the server, its transfers and the system
_OF_CONTAINER = Path("/sys/fs/cgroup/memory.max")


def usual_bytes() -> int | None:
    """What a worker may have where nothing else was set: a share of the memory of the machine, or
    of the container that this process is in. None where the system has no limit to set."""
    if sys.platform != "linux":
        return None
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # "max" is no number
        total = min(total, int(_OF_CONTAINER.read_text()))
    return int(_SHARE * total)


def limit_memory(n_bytes: int) -> None:
    """Let this process have no more data than that; what it asks for beyond raises MemoryError.
    Does nothing where the system has no such limit."""
    if sys.platform == "linux":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        most = n_bytes if hard == resource.RLIM_INFINITY else min(n_bytes, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def allowed_bytes() -> int | None:
    """How much data this process may have; None without a limit."""
    if sys.platform != "linux":
        return None
    import resource

    soft = resource.getrlimit(resource.RLIMIT_DATA)[0]
    return None if soft == resource.RLIM_INFINITY else soft
