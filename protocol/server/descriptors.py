"""The file descriptors of this process: how many it may have, and which it has."""

from __future__ import annotations

import os
import sys

__all__ = ["free_number", "most_descriptors", "open_descriptors", "raise_limit", "reserve"]

_ENOUGH = 65_536
_RESERVE = 128  # for files of the server: a job, a worker and every open upload need some


def raise_limit() -> int:
    """Let this process have as many descriptors as the system allows, within reason; how many
    that is. The usual limit is 1024, and hard ones are far higher (H3)."""
    if sys.platform == "win32":
        return _ENOUGH
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return most_descriptors()
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def most_descriptors() -> int:
    """How many descriptors this process may have now."""
    if sys.platform == "win32":
        return _ENOUGH
    import resource

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _ENOUGH if soft == resource.RLIM_INFINITY else soft


def reserve(most: int) -> int:
    """How many of so many descriptors connections leave to the server's files."""
    return min(_RESERVE, most // 4)


def free_number() -> int:
    """The number that the next descriptor would have, which is the least that is free."""
    try:
        number = os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return sys.maxsize
    os.close(number)
    return number


def open_descriptors() -> list[int] | None:
    """The numbers of all descriptors of this process; None where the system does not tell, or
    has none left to look with."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return [int(name) for name in os.listdir(folder)]
        except OSError:
            continue
    return None
