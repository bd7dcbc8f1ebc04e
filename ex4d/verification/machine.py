"""What a report says of the machine: no names of people, hosts or folders."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from contextlib import suppress

import torch

from ex4d.engines.wan.diffsynth import NEEDED
from ex4d.runtime.nvidia import ask_nvidia
from ex4d.version import __version__

__all__ = ["machine_facts", "most_memory"]

_PACKAGES = (*NEEDED, "transformers", "triton", "numpy", "opencv-python-headless", "av")
_GPU = ("name", "memory.total", "driver_version", "power.limit", "clocks.max.sm")
_GIB = 1 << 30


def most_memory() -> dict[str, str]:
    """The most memory of the host that this process has held, where the system tells."""
    if sys.platform != "linux":
        return {}
    import resource

    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"most memory of this run": f"{kilobytes * 1024 / _GIB:.1f} GiB"}


def machine_facts() -> dict[str, str]:
    """Versions, GPU, processor and memory, in words."""
    facts = {"ex4d": __version__, "Python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            facts[package] = importlib.metadata.version(package)
    facts["system"] = f"{platform.system()} {platform.release()} {platform.machine()}"
    facts["processor"] = f"{os.cpu_count()} cores"
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        facts["memory"] = f"{memory / _GIB:.0f} GiB"
    facts["GPU"] = "; ".join(ask_nvidia(*_GPU)) or "none"
    if torch.cuda.is_available():
        major, minor = torch.cuda.get_device_capability()
        facts["used GPU"] = f"{torch.cuda.get_device_name()}, sm_{major}{minor}"
        facts["CUDA of torch"] = str(torch.version.cuda)
        facts["cuDNN"] = str(torch.backends.cudnn.version())
    return facts
