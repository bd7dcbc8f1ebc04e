"""The devices of this machine that jobs can run on, and whether one of them works."""

from __future__ import annotations

import ctypes
import os
import sys

from ex4d.runtime.nvidia import ask_nvidia

__all__ = ["check_device", "local_devices"]


def local_devices() -> list[str]:
    """Name what workers can have: `cuda:0`, `cuda:1`, ... in the order of the PCI bus, those of
    CUDA_VISIBLE_DEVICES only where that is set; `cpu` where there is none."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        numbers = [number.strip() for number in chosen.split(",") if number.strip()]
    else:
        numbers = [str(number) for number in range(len(ask_nvidia("index")))]
    return [f"cuda:{number}" for number in numbers] or ["cpu"]


def check_device(device: str) -> None:
    """Raise RuntimeError when this process cannot use its GPU; the CPU always works."""
    if not device.startswith("cuda"):
        return
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(name)
    except OSError as error:
        raise RuntimeError(f"{device} is gone: there is no NVIDIA driver ({error})") from None
    count = ctypes.c_int()
    code = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if code or not count.value:
        raise RuntimeError(f"{device} is gone or does not work: CUDA error {code}")
